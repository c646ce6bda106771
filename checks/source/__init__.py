"""Training code, judged by its text alone; nothing is executed."""
