"""Training that runs but does not learn, or learns the wrong thing."""
