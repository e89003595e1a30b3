"""Cases: reading, keeping, comparing and proposing them."""
