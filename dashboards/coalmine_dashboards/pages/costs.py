"""What is spent on which prompt, version, model, app and segment, and what a change would save."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption(
        "What is spent on which prompt, version, model, app and segment, and what a change would save."
    )
