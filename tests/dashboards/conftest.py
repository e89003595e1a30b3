"""A viewer without a browser: Streamlit's test harness has something else in place of cookies."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def no_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for who opens a page that nothing stands before."""
    monkeypatch.setattr(type(st.context), "cookies", {})
