"""The registry: what waits for a decision, what is served, versions, freezes, and what could be retired."""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_dashboards.api import ApiError, NotFound, segment
from coalmine_dashboards.parts.actions import is_asking
from coalmine_dashboards.parts.advice import advise, nothing
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.registry_actions import (
    decide,
    end_freezes,
    freeze_something,
    retire_unused,
    roll_back,
    set_status,
)
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.version_view import About, about, about_version
from coalmine_dashboards.parts.viewer import client, local
from coalmine_dashboards.views.markup import plain
from coalmine_dashboards.views.problems import advice_for
from coalmine_dashboards.views.registry import (
    freeze_columns,
    hygiene_columns,
    promotion_columns,
    prompt_columns,
    version_columns,
    waiting,
    waiting_columns,
)
from coalmine_registry.freeze_records import FreezeRecord
from coalmine_registry.records import (
    Hygiene,
    Promotion,
    PromptSummary,
    ServedVersion,
    VersionRecord,
)
from coalmine_rollouts.records import Rollout

_MOST: Final = 200
_RECENT: Final = 30
_REFRESH_S: Final = 10.0
_SLOWLY_S: Final = 30.0
"""All that others change here is looked up, traffic included."""
_PUSH: Final = "coalmine push prompts\ncoalmine promote support-refund 1.0.0 prod"


@dataclass(frozen=True, slots=True)
class _Waiting:
    promotions: list[Promotion]
    rollouts: list[Rollout]


@dataclass(frozen=True, slots=True)
class _Registry:
    prompts: list[PromptSummary]
    freezes: list[FreezeRecord]
    hygiene: Hygiene
    recent: list[Promotion]


@dataclass(frozen=True, slots=True)
class _OfPrompt:
    summary: PromptSummary
    versions: list[VersionRecord]
    served: dict[str, list[ServedVersion]]
    """What each environment served, to which it can go back."""


def show() -> None:
    """Draw the page."""
    promotion, prompt = st.query_params.get("promotion"), st.query_params.get("prompt")
    if promotion is not None or prompt is not None:
        st.html(f'<p class="cm-back">{anchor("The whole registry", "registry")}</p>')
    if promotion is not None:
        _promotion(promotion)
    elif prompt is not None:
        version = st.query_params.get("version")
        live(
            "registry prompt",
            lambda: _fetch_prompt(prompt),
            lambda seen: _draw_prompt(seen, version),
            asked=(prompt, version),
            every_s=_SLOWLY_S,
        )
    else:
        live("registry waiting", _fetch_waiting, _draw_waiting, every_s=_REFRESH_S)
        live("registry", _fetch, _draw, every_s=_SLOWLY_S)


def _fetch_waiting() -> _Waiting:
    asked = client()
    return _Waiting(
        asked.first("/v1/promotions", Promotion, _MOST, status="pending"),
        asked.first("/v1/rollouts", Rollout, _MOST, state="pending"),
    )


def _draw_waiting(seen: _Waiting) -> None:
    st.subheader("Waiting for a decision", anchor=False)
    rows = waiting(seen.promotions, seen.rollouts)
    if not rows:
        st.caption("Nothing waits: no promotion is pending, and no rollout needs an approval.")
        return
    table(rows, waiting_columns(local), "Waiting for a decision")
    downloads([*seen.promotions, *seen.rollouts], "waiting")


def _fetch() -> _Registry:
    asked = client()
    recent = asked.first("/v1/promotions", Promotion, _RECENT)
    return _Registry(
        asked.items("/v1/prompts", PromptSummary),
        asked.items("/v1/freezes", FreezeRecord),
        asked.read("/v1/hygiene", Hygiene),
        [each for each in recent if each.status != "pending"],
    )


def _draw(seen: _Registry) -> None:
    st.subheader("What is served", anchor=False)
    if not seen.prompts:
        nothing("No prompt is registered", "Register a version, and promote it to an environment.", _PUSH)
        return
    table(seen.prompts, prompt_columns(local), "Prompts and what serves them")
    downloads(seen.prompts, "prompts")
    _freezes(seen)
    _hygiene(seen.hygiene)
    st.subheader("Decided lately", anchor=False)
    if seen.recent:
        table(seen.recent, promotion_columns(local), "Promotions that were decided, the latest first")
        downloads(seen.recent, "promotions")
    else:
        st.caption("No promotion was decided yet.")


def _freezes(seen: _Registry) -> None:
    st.subheader("Freezes", anchor=False)
    if seen.freezes:
        table(seen.freezes, freeze_columns(local), "Freezes that hold or will")
        downloads(seen.freezes, "freezes")
    else:
        st.caption("Nothing is frozen.")
    end_freezes(seen.freezes)
    freeze_something([each.name for each in seen.prompts])


def _hygiene(found: Hygiene) -> None:
    st.subheader("Versions that could be retired", anchor=False)
    if not found.traffic_known:
        st.warning("This server does not see traffic: versions in the list may be in use.")
    if not found.items:
        st.caption("Every version is served, used, or among the newest of its prompt.")
        return
    table(found.items, hygiene_columns(local), "Unused versions, the longest unused first")
    downloads(found.items, "hygiene")
    retire_unused(found.items)


def _fetch_prompt(prompt: str) -> _OfPrompt:
    asked, path = client(), f"/v1/prompts/{segment(prompt)}"
    summary = asked.read(path, PromptSummary)
    served = {
        environment: asked.read(
            f"/v1/environments/{segment(environment)}/prompts/{segment(prompt)}/served-versions",
            list[ServedVersion],
        )
        for environment in summary.serving
    }
    return _OfPrompt(summary, asked.first(f"{path}/versions", VersionRecord, _MOST), served)


def _draw_prompt(seen: _OfPrompt, version: str | None) -> None:
    summary = seen.summary
    st.subheader(plain(summary.name), anchor=False)
    table(seen.versions, version_columns(summary.serving, local), f"Versions of {summary.name}")
    downloads(seen.versions, "versions")
    if len(seen.versions) < summary.versions:
        st.caption(f"The highest {len(seen.versions)} of {summary.versions:,} versions.")
    roll_back(summary, seen.served)
    if version is None:
        st.caption("Choose a version to see its diff, its evidence and its runs.")
        return
    record = next((each for each in seen.versions if each.version == version), None)
    if record is None:
        record = client().read(
            f"/v1/prompts/{segment(summary.name)}/versions/{segment(version)}", VersionRecord
        )
    st.subheader(f"{plain(record.reference)} :gray[:small[{record.status}]]", anchor=False)
    set_status(record)
    against = st.query_params.get("a")
    if against is None and record.classification is not None:
        against = record.classification.previous
    about_version(about(record, against))


def _promotion(promotion_id: str) -> None:
    path = f"/v1/promotions/{segment(promotion_id)}"
    try:
        found = client().read(path, Promotion)
        record = client().read(
            f"/v1/prompts/{segment(found.prompt)}/versions/{segment(found.version)}", VersionRecord
        )
        with st.container():  # one place, whatever it holds: what follows stays where it was
            decide(found, record)
    except NotFound as error:
        advise(advice_for(error))
        return
    except ApiError as error:
        advise(advice_for(error))
        return

    def draw(seen: tuple[Promotion, About]) -> None:
        now, known = seen
        if now.status != found.status and not is_asking():
            st.rerun()  # somebody else decided it: the buttons above are about what was
        about_version(known)

    live(
        "promotion",
        lambda: (client().read(path, Promotion), about(record, None, found)),
        draw,
        asked=promotion_id,
        every_s=_REFRESH_S if found.status == "pending" else None,
    )
