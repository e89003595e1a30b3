"""Versions beside their own past, and prompts on other models."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("Versions beside their own past, and prompts on other models.")
