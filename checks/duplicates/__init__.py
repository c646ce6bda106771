"""Rows that occur more than once."""
