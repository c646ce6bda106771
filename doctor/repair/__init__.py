"""Repairs as data: a plan of edits, applied to a copy."""
