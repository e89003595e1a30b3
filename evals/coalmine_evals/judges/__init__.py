"""Judges: prompts that say how good an answer is, how far people agree with them, and what moves them."""
