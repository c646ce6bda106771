"""Fact sheets, one module each: measured from a subject on first request, small, shared by all checks that ask."""
