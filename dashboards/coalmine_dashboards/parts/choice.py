"""Choices: of what the address names, said if there is no such thing; of things whose words change."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import streamlit as st

from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.views.markup import plain, shown
from coalmine_dashboards.views.problems import unknown_choice

UNKNOWN: Final = "unknown"
"""Key of what addresses name and there is not, by parameter, in the state of a session."""

_Id = TypeVar("_Id", int, str)
_Option = TypeVar("_Option", bound=str)
Visibility = Literal["visible", "collapsed"]


def one_of_few(
    key: str,
    kind: str,
    label: str,
    options: Sequence[_Option],
    default: _Option,
    *,
    label_visibility: Visibility = "visible",
) -> _Option:
    """Draw a choice that the address holds, all of it to be seen; one that it names and there is not is said.

    Args:
        key: Of the widget, and name of the address's parameter.
        kind: What is chosen, in words.
        label: Of the widget.
        options: To choose from.
        default: The one that is chosen at first.
        label_visibility: Of the label.
    """
    note_unknown(key, options)
    chosen: _Option = st.segmented_control(
        label,
        options,
        default=default,
        required=True,
        key=key,
        bind="query-params",
        label_visibility=label_visibility,
    )
    say_unknown(key, kind, default)
    return chosen


def several(
    key: str,
    kind: str,
    label: str,
    options: Sequence[str],
    default: Sequence[str],
    *,
    most: int | None = None,
    label_visibility: Visibility = "visible",
) -> list[str]:
    """Draw a choice of several that the address holds; what it names and there is not is said.

    Args:
        key: Of the widget, and name of the address's parameter.
        kind: What is chosen, in words.
        label: Of the widget.
        options: To choose from.
        default: Those that are chosen at first.
        most: How many can be chosen together.
        label_visibility: Of the label.
    """
    named: list[str] = _unknown().setdefault(key, st.query_params.get_all(key))
    chosen: list[str] = st.multiselect(
        label,
        options,
        default=default,
        max_selections=most,
        key=key,
        bind="query-params",
        label_visibility=label_visibility,
    )
    left = [each for each in named if each not in options]
    if set(chosen) != (set(named) - set(left) or set(default)):  # something else was chosen
        named.clear()
    elif left:
        st.warning(f"No {kind} is called {plain(', '.join(left))}: the link of this page names it.")
    return chosen


def note_unknown(name: str, known: Sequence[str]) -> None:
    """Remember a value of the address that there is not: Streamlit would show another in silence.

    Once there is, as a prompt whose first calls have just come, it is chosen if nothing else was.
    """
    unknown = _unknown()
    value = st.query_params.get(name)
    if value is not None:
        unknown.pop(name, None)
        if value not in known:
            unknown[name] = value
    elif unknown.get(name) in known:
        st.session_state[name] = unknown.pop(name)


def say_unknown(name: str, kind: str, instead: str, words: str | None = None) -> None:
    """Draw what was remembered, until something else is chosen.

    Args:
        name: Of the parameter.
        kind: What is chosen, in words.
        instead: What is chosen in its place.
        words: The same in words.
    """
    unknown = _unknown()
    if name not in unknown:
        return
    if st.session_state[name] == instead:
        advise(unknown_choice(kind, unknown[name], words or shown(instead)))
    else:
        del unknown[name]


def _unknown() -> dict[str, Any]:
    """By parameter, what the address named at first."""
    found: dict[str, Any] = st.session_state.setdefault(UNKNOWN, {})
    return found


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
