"""What a user has, opened and not yet judged."""
