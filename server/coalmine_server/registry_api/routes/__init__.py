"""Routes of the registry, one file for each kind of thing."""
