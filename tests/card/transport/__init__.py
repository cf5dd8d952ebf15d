"""Tests of the ways to a card."""
