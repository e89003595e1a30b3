"""A choice among things whose words change while one looks, or are the same."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

_Id = TypeVar("_Id", int, str)


def choose_by_id(label: str, words: Mapping[_Id, str], key: str) -> _Id | None:
    """Draw a choice that stays with its thing, whatever that is called by now; None: there is nothing.

    A browser names what it chose by words: once they change, it has chosen nothing; if others have the same,
    the last of these.

    Args:
        label: Of the widget.
        words: What each is called, by its id; the first is chosen at first.
        key: Of the widget.
    """
    if (kept := st.session_state.get(key)) in words:
        st.session_state[key] = kept
    alike: Counter[str] = Counter()
    labels = {}
    for each, text in words.items():
        alike[text] += 1
        labels[each] = text if alike[text] == 1 else f"{text} ({alike[text]})"
    return st.selectbox(label, list(words), format_func=labels.__getitem__, key=key)
