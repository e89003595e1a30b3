"""Why a metric moved: prompt, model or traffic, and in which segments."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Why a metric moved: prompt, model or traffic, and in which segments.")
