"""Scorers: each says from 0 to 1 how good an answer is, or that it cannot say."""
