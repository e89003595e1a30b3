"""Alerts: what on-call is told, when, by whom it was seen, and when it is over."""
