"""Pure functions from the server's answers to what the page shows."""
