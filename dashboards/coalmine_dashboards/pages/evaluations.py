"""Runs, cases side by side, flaky cases, judges."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Runs, cases side by side, flaky cases, judges.")
