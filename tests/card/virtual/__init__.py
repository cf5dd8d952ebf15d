"""Tests of the card in software."""
