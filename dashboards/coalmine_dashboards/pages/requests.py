"""Negative feedback with its requests, and the queue of human review."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Negative feedback with its requests, and the queue of human review.")
