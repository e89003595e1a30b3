"""Commands of the prompt registry. They ask the running server; who may do what depends on the token."""
