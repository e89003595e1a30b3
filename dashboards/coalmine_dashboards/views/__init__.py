"""Pure functions from what the server answered to what the page shows."""
