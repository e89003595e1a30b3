"""From events to figures: throughput, lag, dead letters, audit."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("From events to figures: throughput, lag, dead letters, audit.")
