"""Promotions that wait, what is deployed where, and what can be tidied."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Promotions that wait, what is deployed where, and what can be tidied.")
