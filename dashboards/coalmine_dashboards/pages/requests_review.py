"""The queue of human review: one request after another, answered by keys."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from coalmine_dashboards.api import NotFound, Refused, segment
from coalmine_dashboards.formatting import count, percent, quality
from coalmine_dashboards.parts.actions import action, perform
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import Column, table
from coalmine_dashboards.parts.viewer import client, may
from coalmine_dashboards.views import calls
from coalmine_dashboards.views.markup import plain, shown
from coalmine_evals.results.review import ReviewAgreement, ReviewAnswer, ReviewQueue, ReviewTask
from coalmine_registry.roles import Role

_KEYS: Final = "123456789"


def _interval(row: ReviewAgreement) -> str:
    if row.lower is None or row.upper is None:
        return "too few answers"
    return f"{row.lower:.2f} to {row.upper:.2f}"


_QUEUES: Final[list[Column[ReviewQueue]]] = [
    Column("Queue", lambda row: row.name, text=True),
    Column("Waiting", lambda row: count(row.waiting), "Requests that lack an answer"),
    Column("Answered", lambda row: count(row.answered), "Requests that have all of their answers"),
    Column("Random", lambda row: percent(row.random), "Share asked about whatever they are like"),
    Column("By two", lambda row: percent(row.double), "Share that two people answer for", vital=False),
    Column("Also those with", lambda row: ", ".join(row.flags), text=True, vital=False, wraps=True),
]
_AGREEMENT: Final[list[Column[ReviewAgreement]]] = [
    Column("Question", lambda row: f"{row.queue}: {row.question}", text=True),
    Column("Mean score", lambda row: quality(row.random_mean), "Of the random part, 0 to 1"),
    Column("of", lambda row: count(row.random_items), "Requests of the random part with an answer"),
    Column("Kappa", lambda row: quality(row.kappa), "Agreement of two people beyond chance"),
    Column("95 % interval", _interval, "Of kappa"),
    Column("by two", lambda row: count(row.items), "Requests that two people answered for"),
]


def show() -> None:
    """Draw the queues, and the next request for who may answer."""
    queues = client().read("/v1/reviews", list[ReviewQueue])
    if not queues:
        nothing(
            "No review queue",
            "Name one under review in evals.yaml: which requests people are asked about, and what.",
            "review:\n  quality:\n    random: 1%\n    questions:\n      correct: Is the answer right?",
        )
        return
    names = [each.name for each in queues]
    named = st.query_params.get("queue")
    if named is not None and named not in names:
        st.warning(f"No queue is called {plain(named)}: choose another.")
    queue = names[0]
    if len(names) > 1:
        queue = st.selectbox("Queue", names, format_func=shown, key="queue", bind="query-params", width=320)
    if may(Role.ADMIN):
        _work(queue)
    else:
        st.caption("Requests are shown with their texts, so that answering is for admins.")
    live("reviews", _standing, _draw_standing, every_s=30.0)


def _work(queue: str) -> None:
    """The request that is the viewer's, its questions, and keys for their answers."""
    task: ReviewTask | None = st.session_state.get("task")
    if task is None or task.queue != queue:
        none = st.session_state.pop("no-task", None) == queue
        if none:
            st.info("Nothing waits for you in this queue.", icon=":material/done_all:")
        st.button(
            "Look again" if none else "Give me a request",
            key="review-next",
            type="primary",
            shortcut="Enter",
            on_click=lambda: st.session_state.update(wants_task=queue),
        )
        if st.session_state.pop("wants_task", None) == queue:
            _next(queue)
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.caption(
            f"Item {task.item} of {plain(queue)}, prompt {plain(task.prompt)}, yours alone for half an hour. "
            f"{task.waiting:,} wait for you."
        )
        if task.input_text:
            st.html(calls.text_html("Input", task.input_text))
        st.html(calls.text_html("Output", task.output_text))
    with right:
        _questions(task)


def _questions(task: ReviewTask) -> None:
    given: dict[str, str] = st.session_state.setdefault(f"answers-{task.item}", {})
    left = [each for each in task.questions if each.name not in given]
    for each in task.questions:
        if each.name in given:
            st.markdown(f":material/check: {plain(each.ask)} **{plain(given[each.name])}**")
    if left:
        question = left[0]
        st.subheader(plain(question.ask), anchor=False)
        for number, answer in enumerate(question.answers):
            st.button(
                plain(answer),
                key=f"answer-{task.item}-{question.name}-{number}",
                shortcut=_KEYS[number] if number < len(_KEYS) else None,
                width="stretch",
                on_click=given.__setitem__,
                args=(question.name, answer),
            )
    comment = st.text_input(
        "Comment, kept with the scores", key=f"comment-{task.item}", max_chars=2_000
    ).strip()
    with st.container(horizontal=True):
        if st.button(
            "Submit", key=f"submit-{task.item}", type="primary", shortcut="Enter", disabled=bool(left)
        ):
            _submit(task, given, comment)
        if given:
            st.button(
                "Back",
                key=f"back-{task.item}",
                shortcut="Backspace",
                on_click=given.__delitem__,
                args=[*given][-1:],
            )
        action(
            "Nobody can answer",
            lambda reason: _skip(task, reason),
            "It is out of its queue.",
            key=f"skip-{task.item}",
            role=Role.ADMIN,
            question="The request leaves its queue: nobody is asked about it again.",
            affected="Everybody who answers in this queue.",
        )


def _next(queue: str) -> None:
    """The next request, which is the viewer's alone for half an hour."""
    path = f"/v1/reviews/{segment(queue)}/next"
    task: ReviewTask | None = client().send("POST", path, ReviewTask | None, {})  # type: ignore[arg-type]
    st.session_state["task"] = task
    if task is None:
        st.session_state["no-task"] = queue
    st.rerun()


def _submit(task: ReviewTask, given: dict[str, str], comment: str) -> None:
    body = {"answers": given, "comment": comment or None}

    perform(lambda: _send(task, "answers", list[ReviewAnswer], body), "Kept as scores of the request.")


def _skip(task: ReviewTask, reason: str) -> None:
    _send(task, "skip", type(None), {"reason": reason})


def _send(task: ReviewTask, what: str, kind: type[Any], body: Mapping[str, Any]) -> None:
    """Says something of a request; the next one follows at once, unless the viewer has a refusal to read."""
    try:
        client().send("POST", f"/v1/reviews/items/{task.item}/{what}", kind, body)
    except (NotFound, Refused):  # as when it was answered elsewhere: it would be refused for ever
        _forget(task)
        raise
    _forget(task)
    st.session_state["wants_task"] = task.queue


def _forget(task: ReviewTask) -> None:
    st.session_state.pop("task", None)
    st.session_state.pop(f"answers-{task.item}", None)


def _standing() -> tuple[Sequence[ReviewQueue], Sequence[ReviewAgreement]]:
    asked = client()
    return asked.read("/v1/reviews", list[ReviewQueue]), asked.read(
        "/v1/reviews/agreement", list[ReviewAgreement]
    )


def _draw_standing(seen: tuple[Sequence[ReviewQueue], Sequence[ReviewAgreement]]) -> None:
    queues, agreements = seen
    st.subheader("Queues", anchor=False)
    table(queues, _QUEUES, "Queues")
    st.subheader("What people say, and how far two agree", anchor=False)
    table(agreements, _AGREEMENT, "Agreement")
    downloads(agreements, "review-agreement")
