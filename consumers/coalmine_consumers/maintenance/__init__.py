"""Keeping a store small, sorted and in balance while it is in use."""
