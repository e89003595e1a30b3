"""Promotions: requested by authors, decided by another person."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.records import Promotion, PromotionStatus
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import PromotionBody, ReasonBody, given
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Approver,
    Asked,
    Author,
    IfMatch,
    PromotionPath,
    Reader,
    RegistryRoute,
    expected,
)

router = APIRouter(prefix="/v1/promotions", tags=["promotions"], route_class=RegistryRoute)


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": Promotion, "description": "The version is the default already; nothing was changed."},
        202: {
            "model": Promotion,
            "description": "Pending until an approver other than the author decides.",
        },
        **problem_responses(404, 409, 412),
    },
)
def promote(
    registry: Asked, actor: Author, body: PromotionBody, if_match: IfMatch, response: Response
) -> Promotion:
    """Requests that an environment serve a version by default.

    It is applied at once if an approver who did not write the version requests it, and pending otherwise.
    """
    promotion = registry.promote(
        actor,
        body.prompt,
        body.version,
        body.environment,
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
        override=body.override,
    )
    response.status_code = {"pending": 202, "unchanged": 200}.get(promotion.status, 201)
    return promotion


@router.get("", responses=problem_responses())
def promotions(
    registry: Asked,
    _actor: Reader,
    status: Annotated[PromotionStatus | None, Query(description="Only promotions with this status.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Promotion]:
    """Promotions, newest first."""
    return registry.promotions(status, limit, cursor)


@router.get("/{promotion_id}", responses=problem_responses(404))
def promotion(registry: Asked, _actor: Reader, promotion_id: PromotionPath) -> Promotion:
    """One promotion."""
    return registry.promotion(promotion_id)


@router.post("/{promotion_id}/approve", responses=problem_responses(404, 409))
def approve_promotion(registry: Asked, actor: Approver, promotion_id: PromotionPath) -> Promotion:
    """Applies a pending promotion. The author of the version cannot."""
    return registry.approve(actor, promotion_id)


@router.post("/{promotion_id}/reject", responses=problem_responses(404, 409))
def reject_promotion(
    registry: Asked, actor: Approver, promotion_id: PromotionPath, body: ReasonBody
) -> Promotion:
    """Rejects a pending promotion."""
    return registry.reject(actor, promotion_id, body.reason)
