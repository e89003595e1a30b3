"""Configuration as files: what a folder says, what the registry has, and how the one becomes the other."""
