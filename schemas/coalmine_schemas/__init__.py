"""Part of Coalmine."""
