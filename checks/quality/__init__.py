"""Values that are absent, broken or not what they seem."""
