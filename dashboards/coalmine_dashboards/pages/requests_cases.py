"""Requests that become cases of datasets: proposed, redacted, and confirmed with what is right."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_dashboards.api import ApiClient, segment
from coalmine_dashboards.parts.actions import action, perform
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.choice import choose_by_id
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import known_facets
from coalmine_dashboards.parts.viewer import BY_VIEWER, client, local, may
from coalmine_dashboards.ranges import RANGES, range_named
from coalmine_dashboards.views import calls
from coalmine_dashboards.views.markup import plain, shown
from coalmine_evals.results.datasets import Dataset, Proposal, Proposed
from coalmine_registry.roles import Role

_LONGEST: Final = 100


def add_to_dataset(request_id: str) -> None:
    """Draw a form that proposes a request as a case."""
    names = _names()
    with st.form(f"dataset-{request_id}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox(
                "Add to dataset",
                names,
                index=0 if names else None,
                format_func=shown,
                placeholder="Name of a dataset, new or known",
                accept_new_options=True,
                key=f"dataset-name-{request_id}",
                width=320,
            )
            pressed = st.form_submit_button("Propose as a case")
        st.caption(
            "Its texts are redacted. It becomes a case once somebody says what is right, under cases above."
        )
    if pressed and name:
        path = f"/v1/datasets/{segment(name)}/requests/{segment(request_id)}"
        perform(
            lambda: client().send("POST", path, Proposal, {}),
            f"Proposed for {name}: say what is right there.",
        )


def show() -> None:
    """Draw what waits for somebody to say what is right."""
    if not may(Role.ADMIN):
        nothing(
            "Proposed cases are for admins",
            "They hold what users wrote, and a name in a sentence stays. Sign in with an admin's token:",
            "coalmine token create NAME --role admin",
        )
        return
    names = _names()
    named = st.query_params.get("dataset")
    if named is not None and named not in names:
        names = [*names, named]  # proposals come before the first case
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = st.selectbox(
            "Dataset",
            names,
            index=names.index(named) if named is not None else 0 if names else None,
            format_func=shown,
            placeholder="Name of a dataset, new or known",
            accept_new_options=True,
            key="dataset",
            width=320,
        )
    if dataset is None:
        nothing("No dataset yet", "Give it a name above, or propose a request from the inbox.")
        return
    st.query_params["dataset"] = dataset  # not bound: the first of a list that changes would not stand there
    _propose(dataset)
    path = f"/v1/datasets/{segment(dataset)}/proposals"
    waiting = client().items(path, Proposal, state="waiting")
    if not waiting:
        nothing(
            "Nothing waits", f"No request is proposed for {dataset}. Propose some from the inbox, or above."
        )
        return
    by_id = {each.id: each for each in waiting}
    words = {each.id: _label(each) for each in waiting}
    chosen = choose_by_id(f"Proposal ({len(waiting)} wait)", words, "proposal")
    if chosen is not None:
        _decide(dataset, by_id[chosen])
    downloads(waiting, f"proposals-{dataset}")


def _names() -> list[str]:
    return _names_for(client())


@st.cache_data(ttl="10s", max_entries=1_000, show_spinner=False, hash_funcs=BY_VIEWER)
def _names_for(asked: ApiClient) -> list[str]:
    """Names of datasets: not asked for at each refresh."""
    return [each.name for each in asked.items("/v1/datasets", Dataset)]


def _label(each: Proposal) -> str:
    said = "" if each.case is None else calls.short(each.case.correction or each.case.comment, 80)
    return shown(f"{local(each.given_at)}, {each.prompt} {each.version}" + (f": {said}" if said else ""))


def _propose(dataset: str) -> None:
    """Propose what users were not content with, all at once."""
    facets = known_facets()
    if facets is None or not facets.prompts:
        return
    with (
        st.expander("Propose all that users were not content with"),
        st.form("propose", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        prompt = st.selectbox("Prompt", facets.prompts, format_func=shown, key="propose-prompt", width=220)
        lengths = [each.key for each in RANGES if each.length]
        period = st.selectbox("Feedback of the last", lengths, index=4, key="propose-time", width=160)
        pressed = st.form_submit_button("Propose them")
    if pressed:
        body = {
            "prompt": prompt,
            "since": range_named(period).since(datetime.now(UTC)),
            "limit": _LONGEST,
        }
        path = f"/v1/datasets/{segment(dataset)}/proposals"

        def propose() -> None:
            found: Proposed = client().send("POST", path, Proposed, body)
            st.session_state["proposed"] = found

        perform(propose, f"Asked for proposals for {dataset}.")
    found: Proposed | None = st.session_state.pop("proposed", None)
    if found is not None:
        words = f"{found.proposed} new, {found.known} proposed before, {found.without_text} without a text."
        st.info(f"{words} {plain(found.advice or '')}")


def _decide(dataset: str, proposal: Proposal) -> None:
    case = proposal.case
    if case is None:
        return
    texts = [(name, str(value)) for name, value in case.variables.items()]
    texts += [(title, text) for title, text in (("Answer", case.answer), ("Comment", case.comment)) if text]
    left, right = st.columns(2, gap="large")
    with left:
        st.html("".join(calls.text_html(title, text) for title, text in texts))
        if not case.recovered:
            st.caption(
                "The prompt's template does not give its variables back: `input` is all that was sent."
            )
    path = f"/v1/datasets/{segment(dataset)}/proposals/{proposal.id}"
    with right:
        with st.form(f"confirm-{proposal.id}", border=False):
            expected = st.text_area(
                "What is right", value=case.correction or "", key=f"expected-{proposal.id}", height=160
            )
            must_pass = st.checkbox("Must pass in all repeats", key=f"must-{proposal.id}")
            pressed = st.form_submit_button("Make it a case", type="primary", shortcut="Mod+Enter")
        if pressed:
            body = {"case": {"expected": expected or None, "must_pass": must_pass}}
            perform(
                lambda: client().send("POST", f"{path}/confirm", Dataset, body),
                f"It is a case of {dataset} now.",
            )
        action(
            "Reject",
            lambda reason: client().send("POST", f"{path}/reject", Proposal, {"reason": reason}),
            "Rejected: it is not proposed again.",
            key=f"reject-{proposal.id}",
            role=Role.ADMIN,
            question="The proposal is dropped with its texts, and the request is not proposed again.",
        )
