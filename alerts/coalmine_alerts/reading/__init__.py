"""Reads facts: from the store, the registry, and the process. Cheap while nothing is new."""
