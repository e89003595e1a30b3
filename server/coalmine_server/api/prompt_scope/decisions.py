"""What each route does for a token that is for some prompts. A route that is not named here answers 404."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

OwnerKind = Literal[
    "alert",
    "call",
    "eval_run",
    "evidence",
    "experiment",
    "freeze",
    "promotion",
    "rollout",
    "silence",
    "suite",
]
"""What belongs to a prompt, and is named by an id or a name of its own."""

Place = Literal["path", "query", "body"]
"""Where a request says what it is about."""


@dataclass(frozen=True, slots=True)
class Open:
    """The answer is the same for everybody and tells nothing of any prompt."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The route itself reads and takes only what the token is for; a test asks each of them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """403: it cannot be told apart by prompts."""

    why: str
    """What it is about, for the one who asked."""


@dataclass(frozen=True, slots=True)
class Named:
    """The request names the prompt: 404 if it is another, 403 if it names none, where it could mean all."""

    place: Place
    keys: tuple[str, ...]
    """The way to it: in a body, through objects."""


@dataclass(frozen=True, slots=True)
class Owned:
    """The request names something that belongs to a prompt: 404 if that is another."""

    kind: OwnerKind
    place: Place
    key: str
    new: bool = False
    """True: it may not be there yet, because the request makes it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer is a list, of which other prompts' items are left out."""

    prompt: tuple[str, ...] = ("prompt",)
    """The way to an item's prompt. An item that has none is left out."""
    items: str | None = "items"
    """The member of the answer that holds the list; None: the answer is the list."""
    via: OwnerKind | None = None
    """Not None: there stands not the prompt, but the name of something that belongs to one."""


@dataclass(frozen=True, slots=True)
class Includes:
    """The request's content includes other prompts: 404 if the token is not for one of them."""

    key: str


@dataclass(frozen=True, slots=True)
class Cites:
    """The request's `evidence` names what was recorded: 404 if that is of another prompt, or not there.

    Names of experiments and readouts tell nothing: those of other prompts do not count.
    """


Decision: TypeAlias = Open | Narrowed | Refused | Named | Owned | Listed | Includes | Cites

_OPEN: Final = (Open(),)
_NARROWED: Final = (Narrowed(),)
_OF_PATH: Final = (Named("path", ("name",)),)
_OF_QUERY: Final = (Named("query", ("prompt",)),)
_OF_BODY: Final = (Named("body", ("prompt",)),)
_CITES: Final = (Cites(),)
_LISTED: Final = (Listed(),)
_ALERT: Final = (Owned("alert", "path", "fingerprint"),)
_EXPERIMENT: Final = (Owned("experiment", "path", "experiment"),)
_FREEZE: Final = (Owned("freeze", "path", "freeze_id"),)
_CALL: Final = (Owned("call", "path", "request_id"),)
_PROMOTION: Final = (Owned("promotion", "path", "promotion_id"),)
_ROLLOUT: Final = (Owned("rollout", "path", "rollout"),)
_RUN: Final = (Owned("eval_run", "path", "run"),)
_EVERYTHING: Final = (Refused("this reads or changes what is stored of all prompts together"),)
_PIPELINE: Final = (Refused("the pipeline carries the events of all prompts"),)
_DATASETS: Final = (Refused("a dataset belongs to no prompt, and any suite may use it"),)
_REVIEWS: Final = (Refused("a review queue takes requests of all its prompts"),)
_JUDGES: Final = (Refused("a judge scores answers of all prompts"),)
_TOKENS: Final = (Refused("tokens are made by an admin of all prompts"),)
_ALERTING: Final = (Refused("one message, and one week, tells of all prompts"),)

DECISIONS: Final[Mapping[str, tuple[Decision, ...]]] = {
    "GET /healthz": _OPEN,
    "GET /readyz": _OPEN,
    "POST /feedback/link": _OPEN,
    "GET /metrics": _EVERYTHING,
    "GET /openapi.json": _OPEN,
    "GET /v1/whoami": _OPEN,
    # Events: an event of another prompt is an error of that event.
    "POST /v1/events": _NARROWED,
    "POST /v1/traces": _NARROWED,
    # Measures: sums over the token's prompts.
    "GET /v1/versions": _NARROWED,
    "GET /v1/timeseries": _NARROWED,
    "GET /v1/quantiles": _NARROWED,
    "GET /v1/feedback": _NARROWED,
    "GET /v1/unpriced": _NARROWED,
    "GET /v1/costs": _NARROWED,
    "GET /v1/savings": _NARROWED,
    "GET /v1/spending": _NARROWED,
    "GET /v1/facets": _NARROWED,
    "GET /v1/deployment-marks": _NARROWED,
    "GET /v1/model-calendar": _NARROWED,
    "GET /v1/metrics": _OPEN,
    "GET /v1/requests/{request_id}": _CALL,
    "GET /v1/requests/{request_id}/context": _CALL,
    "GET /v1/compare": _OF_QUERY,
    "GET /v1/breakdown": _OF_QUERY,
    "POST /v1/plan-check": _OF_BODY,
    "GET /v1/drift": _OF_QUERY,
    "GET /v1/drifts": _NARROWED,
    "POST /v1/drift/ignored-days": _OF_BODY,
    "GET /v1/explain": _OF_QUERY,
    "GET /v1/timeline": _OF_QUERY,
    "GET /v1/readouts": (Listed(prompt=("experiment",), via="experiment"),),
    "GET /v1/experiments/{experiment}/readout": _EXPERIMENT,
    "GET /v1/experiments/{experiment}/looks": _EXPERIMENT,
    "POST /v1/experiments/{experiment}/begin-anew": _EXPERIMENT,
    # What reads or changes everything.
    "POST /v1/exports": _EVERYTHING,
    "POST /v1/backups": _EVERYTHING,
    "POST /v1/snapshots": _EVERYTHING,
    "POST /v1/forget": _EVERYTHING,
    "POST /v1/sql": _EVERYTHING,
    "GET /v1/ingest": _PIPELINE,
    "GET /v1/segments": _PIPELINE,
    "GET /v1/audit": _PIPELINE,
    "GET /v1/rebuild": _PIPELINE,
    "POST /v1/rebuild": _PIPELINE,
    "GET /v1/dead-letters": _PIPELINE,
    "GET /v1/dead-letters/{dead_letter_id}": _PIPELINE,
    "POST /v1/dead-letters/replay": _PIPELINE,
    "POST /v1/dead-letters/discard": _PIPELINE,
    # Alerts: those of no prompt, such as of ingest, are nobody's of some prompts.
    "GET /v1/alerts": (Listed(prompt=("labels", "prompt")),),
    "GET /v1/alerts/transitions": (Listed(prompt=("labels", "prompt")),),
    "GET /v1/alerts/messages": _ALERTING,
    "GET /v1/alerts/silences": (Listed(prompt=("matchers", "prompt")),),
    "GET /v1/alerts/rules": _OPEN,
    "POST /v1/alerts/silences": (Named("body", ("matchers", "prompt")),),
    "POST /v1/alerts/silences/{silence_id}/end": (Owned("silence", "path", "silence_id"),),
    "POST /v1/alerts/test": _ALERTING,
    "GET /v1/digest": _ALERTING,
    "GET /v1/wins": _OF_QUERY,
    "GET /v1/alerts/runbooks/{rule}": _OPEN,
    "GET /v1/alerts/{fingerprint}": _ALERT,
    "GET /v1/alerts/{fingerprint}/transitions": _ALERT,
    "POST /v1/alerts/{fingerprint}/acknowledge": _ALERT,
    "POST /v1/alerts/{fingerprint}/accept": _ALERT,
    "POST /v1/alerts/{fingerprint}/mark": _ALERT,
    # The registry.
    "GET /v1/prompts": (Listed(prompt=("name",)),),
    "GET /v1/prompts/{name}": _OF_PATH,
    "GET /v1/prompts/{name}/care": _OF_PATH,
    "GET /v1/prompts/{name}/log": _OF_PATH,
    "GET /v1/prompts/{name}/diff": _OF_PATH,
    "GET /v1/prompts/{name}/versions": _OF_PATH,
    "GET /v1/prompts/{name}/versions/{version}": _OF_PATH,
    "GET /v1/prompts/{name}/evidence": _OF_PATH,
    "GET /v1/prompts/{name}/as-shipped": _OF_PATH,
    "POST /v1/prompts/{name}/versions": (*_OF_PATH, Includes("content")),
    "POST /v1/prompts/{name}/versions/{version}/retire": _OF_PATH,
    "POST /v1/prompts/{name}/versions/{version}/archive": _OF_PATH,
    "POST /v1/prompts/{name}/panic": _OF_PATH,
    "GET /v1/hygiene": _LISTED,
    "GET /v1/promotions": _LISTED,
    "GET /v1/promotions/{promotion_id}": _PROMOTION,
    "POST /v1/promotions": (*_OF_BODY, *_CITES),
    "POST /v1/promotions/{promotion_id}/approve": _PROMOTION,
    "POST /v1/promotions/{promotion_id}/reject": _PROMOTION,
    "GET /v1/environments": _OPEN,
    "GET /v1/environments/{environment}/policy": _OPEN,
    "PUT /v1/environments/{environment}/policy": (Refused("a policy is for all prompts of an environment"),),
    "GET /v1/environments/{environment}/prompts": (Listed(items=None),),
    "GET /v1/environments/{environment}/prompts/{name}": _OF_PATH,
    "GET /v1/environments/{environment}/prompts/{name}/served-versions": _OF_PATH,
    "POST /v1/environments/{environment}/prompts/{name}/rollback": _OF_PATH,
    "PUT /v1/environments/{environment}/prompts/{name}/rules": (*_OF_PATH, *_CITES),
    "POST /v1/environments/{environment}/prompts/{name}/offer": (*_OF_PATH, *_CITES),
    "POST /v1/environments/{environment}/prompts/{name}/withdraw": _OF_PATH,
    "POST /v1/environments/{environment}/prompts/{name}/experiments": (*_OF_PATH, *_CITES),
    "GET /v1/experiments": _LISTED,
    "GET /v1/experiments/{experiment}": _EXPERIMENT,
    "PUT /v1/experiments/{experiment}/weights": _EXPERIMENT,
    "POST /v1/experiments/{experiment}/stop": _EXPERIMENT,
    "GET /v1/deployments/{environment}": _NARROWED,
    "GET /v1/freezes": _LISTED,
    "POST /v1/freezes": _OF_BODY,
    "POST /v1/freezes/{freeze_id}/end": _FREEZE,
    "POST /v1/evidence": _OF_BODY,
    "GET /v1/evidence/{evidence_id}": (Owned("evidence", "path", "evidence_id"),),
    "GET /v1/audit-log": _LISTED,
    "GET /v1/tokens": _TOKENS,
    "POST /v1/tokens": _TOKENS,
    "POST /v1/tokens/{token_id}/revoke": _TOKENS,
    # Rollouts.
    "GET /v1/rollout-templates": _OPEN,
    "GET /v1/rollout-limits": _OPEN,
    "GET /v1/rollouts": _LISTED,
    "POST /v1/rollouts": (*_OF_BODY, *_CITES),
    "POST /v1/rollouts/check": _OF_BODY,
    "GET /v1/rollouts/{rollout}": _ROLLOUT,
    "GET /v1/rollouts/{rollout}/status": _ROLLOUT,
    "GET /v1/rollouts/{rollout}/decisions": _ROLLOUT,
    "GET /v1/rollouts/{rollout}/commands/{command_id}": _ROLLOUT,
    **{
        f"POST /v1/rollouts/{{rollout}}/{verb}": _ROLLOUT
        for verb in (*("pause", "resume", "approve", "rebase", "promote", "abort", "retry"),)
    },
    "POST /v1/rollouts/{rollout}/evidence": (*_ROLLOUT, *_CITES),
    # Evaluations.
    "GET /v1/datasets": _DATASETS,
    "POST /v1/datasets": _DATASETS,
    "POST /v1/datasets/forget/{request_id}": _DATASETS,
    "GET /v1/datasets/{name}": _DATASETS,
    "GET /v1/datasets/{name}/history": _DATASETS,
    "GET /v1/datasets/{name}/cases": _DATASETS,
    "GET /v1/datasets/{name}/diff": _DATASETS,
    "GET /v1/datasets/{name}/leakage": _DATASETS,
    "GET /v1/datasets/{name}/comparison": _DATASETS,
    "GET /v1/datasets/{name}/proposals": _DATASETS,
    "POST /v1/datasets/{name}/proposals": _DATASETS,
    "POST /v1/datasets/{name}/requests/{request_id}": _DATASETS,
    "POST /v1/datasets/{name}/proposals/{proposal_id}/confirm": _DATASETS,
    "POST /v1/datasets/{name}/proposals/{proposal_id}/reject": _DATASETS,
    "GET /v1/suites": (Listed(prompt=("suite", "prompt")),),
    "GET /v1/suites/{name}": (Owned("suite", "path", "name"),),
    "PUT /v1/suites/{name}": (Named("body", ("suite", "prompt")), Owned("suite", "path", "name", new=True)),
    "GET /v1/eval-runs": (Listed(prompt=("suite",), via="suite"),),
    "POST /v1/eval-runs": (Owned("suite", "body", "suite"),),
    "GET /v1/eval-runs/{run}": _RUN,
    "GET /v1/eval-runs/{run}/answers": _RUN,
    "POST /v1/eval-runs/{run}/answers": _RUN,
    "POST /v1/eval-runs/{run}/end": _RUN,
    "POST /v1/eval-runs/{run}/evidence": _RUN,
    "GET /v1/eval-runs/{run}/compare": (*_RUN, Owned("eval_run", "query", "baseline")),
    "GET /v1/eval-reruns": _LISTED,
    "POST /v1/eval-reruns": (Named("body", ("prompts",)),),
    "GET /v1/eval-reruns/{batch}": (Listed(items="cells"),),
    "GET /v1/model-flags": (Listed(items=None),),
    "GET /v1/judges/calibrations": _JUDGES,
    "GET /v1/judges/canaries": _JUDGES,
    "GET /v1/production-scores": (Refused("what scoring costs and how it goes is of all prompts together"),),
    "GET /v1/production-inputs": _OF_QUERY,
    "GET /v1/reviews": _REVIEWS,
    "GET /v1/reviews/items": _LISTED,
    "GET /v1/reviews/answers": _REVIEWS,
    "GET /v1/reviews/agreement": _REVIEWS,
    "POST /v1/reviews/{queue}/next": _REVIEWS,
    "POST /v1/reviews/items/{item}/answers": _REVIEWS,
    "POST /v1/reviews/items/{item}/skip": _REVIEWS,
}
"""By method and path of the route, as `tests/server/api/test_access.py` has them."""
