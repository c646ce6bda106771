"""Memory that grows, is spent, or ran out."""
