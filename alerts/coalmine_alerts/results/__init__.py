"""Results that the API serves; importing them loads nothing else."""
