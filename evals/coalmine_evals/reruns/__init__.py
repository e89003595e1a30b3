"""Runs that the server begins: of new versions, of models that changed, and of models to come."""
