"""The HTTP API: routes return what services return."""
