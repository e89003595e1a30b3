"""Running and ended rollouts, each with what it does and what it waits for."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Running and ended rollouts, each with what it does and what it waits for.")
