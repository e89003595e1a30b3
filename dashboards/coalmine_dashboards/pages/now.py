"""What needs a person first; what serves, rolls out and regresses; spend and ingest."""

import streamlit as st


def show() -> None:
    """Draw the page."""
    st.caption("What needs a person first; what serves, rolls out and regresses; spend and ingest.")
