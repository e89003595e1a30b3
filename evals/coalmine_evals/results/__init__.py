"""What evaluations answer, served by the API as it is."""
