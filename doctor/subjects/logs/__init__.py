"""Reads what trainers and trackers wrote of a run, where no probe was in it."""
