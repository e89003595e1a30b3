"""Actions: for who may, after a question that says what will happen and to whom, with a reason."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from coalmine_dashboards.api import ApiError
from coalmine_dashboards.parts.viewer import may
from coalmine_dashboards.views.markup import plain
from coalmine_registry.roles import Role

_Came = TypeVar("_Came")
LONGEST_REASON = 2_000
_ASKING = "asking"


def action(
    label: str,
    do: Callable[[str], _Came],
    done: str | Callable[[_Came], str],
    *,
    key: str,
    role: Role,
    question: str,
    affected: str | Callable[[], str] | None = None,
    needs_reason: bool = True,
    primary: bool = False,
    disabled: str | None = None,
) -> None:
    """Draw a button that asks before it acts; nothing is drawn for who may not.

    Args:
        label: Of the button, an imperative.
        do: Does it, with the reason; may raise `ApiError`, whose words are shown.
        done: What happened, said when it did; or what says it of what came back.
        key: Unique in the page.
        role: The least role that may.
        question: What will happen.
        affected: Who else is affected, and the revision one acts on; a function is called when the button is
            pressed, and may ask the server.
        needs_reason: False where the server takes none.
        primary: True for the one button that matters.
        disabled: Why it cannot be done now; None where it can.
    """
    if not may(role):
        return
    pressed = st.button(
        label,
        key=key,
        type="primary" if primary else "secondary",
        disabled=disabled is not None,
        help=plain(disabled) if disabled is not None else None,
    )
    if pressed:
        # Asked by the whole page: a question that a refreshing part asks is forgotten at its next refresh.
        st.session_state[_ASKING] = (label, [do], done, key, question, _said(affected), needs_reason)
        st.rerun()


def ask_pending() -> None:
    """Ask what the pressed button asks, until somebody answers: the page may be drawn anew meanwhile."""
    if (pending := st.session_state.get(_ASKING)) is not None:
        _ask(*pending)


def is_asking() -> bool:
    """True while a question waits: what was typed there is lost when the whole page is drawn anew."""
    return _ASKING in st.session_state


def forget_pending() -> None:
    """Ask no more."""
    st.session_state.pop(_ASKING, None)


def _said(affected: str | Callable[[], str] | None) -> str | None:
    if not callable(affected):
        return affected
    try:
        return affected()
    except ApiError as error:
        return f"Who else is affected is not known: {error.detail}"


@st.dialog("Are you sure?", on_dismiss=forget_pending)
def _ask(  # noqa: PLR0917 - Streamlit's dialogs take their arguments by place
    label: str,
    to_do: list[Callable[[str], _Came]],
    done: str | Callable[[_Came], str],
    key: str,
    question: str,
    affected: str | None,
    needs_reason: bool,
) -> None:
    st.markdown(plain(question))
    if affected is not None:
        st.warning(plain(affected), icon=":material/groups:")
    reason = ""
    if needs_reason:
        reason = st.text_input("Reason", key=f"{key}-reason", max_chars=LONGEST_REASON).strip()
        st.caption("Stands in the audit log.")
    if st.button(label, key=f"{key}-sure", type="primary"):
        if needs_reason and not reason:
            st.error("Give a reason first.")
            return
        forget_pending()
        if not to_do:  # pressed twice
            st.rerun()
        do = to_do.pop()
        perform(lambda: do(reason), done)


def perform(do: Callable[[], _Came], done: str | Callable[[_Came], str]) -> None:
    """Do something at once, and draw the page again; what came of it is said there."""
    try:
        came = do()
    except ApiError as error:
        st.session_state["said"] = ("error", error.detail)
    else:
        st.session_state["said"] = ("done", done if isinstance(done, str) else done(came))
    st.rerun()


def say_what_came() -> None:
    """Say what came of the last action: a refusal stays on the page, a success passes."""
    kind, words = st.session_state.pop("said", (None, ""))
    if kind == "done":
        st.toast(plain(words), icon=":material/check:", duration="long")
    elif kind == "error":
        st.error(plain(words), icon=":material/block:")
