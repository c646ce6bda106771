"""Configurations of trainings that contradict themselves, their trainer or the data."""
