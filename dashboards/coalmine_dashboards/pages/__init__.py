"""The pages, one a file: `show()` draws it."""
