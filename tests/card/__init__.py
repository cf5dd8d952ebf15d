"""Tests of the card side."""
