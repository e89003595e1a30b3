"""People's answers to questions about production requests."""
