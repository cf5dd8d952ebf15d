"""Tests of what bytes go to the card."""
