"""What each shipped version brought, and how fast and how safely one ships."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("What each shipped version brought, and how fast and how safely one ships.")
