"""Functions from a store and a question to a domain dataclass."""
