"""Results of the analyses: what is computed once, stored, served and shown."""
