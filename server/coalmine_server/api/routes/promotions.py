"""Promotions: asked for by authors, decided by somebody else."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.records import PromotionStatus
from coalmine_server.api.bodies import PromotionBody, ReasonBody, given
from coalmine_server.api.parameters import (
    Approver,
    Asked,
    Author,
    Cursor,
    IfMatch,
    Limit,
    PromotionPath,
    Reader,
    RegistryRoute,
    expected,
)
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import Listed, PromotionAnswer, page_of

router = APIRouter(prefix="/v1/promotions", tags=["promotions"], route_class=RegistryRoute)


@router.post(
    "",
    status_code=201,
    responses={
        202: {"model": PromotionAnswer, "description": "It waits for an approver other than the author."},
        **problem_responses(404, 409, 412),
    },
)
def promote(
    registry: Asked, actor: Author, body: PromotionBody, if_match: IfMatch, response: Response
) -> PromotionAnswer:
    """Asks an environment to serve a version by default.

    An approver who did not write the version applies it at once; anybody else's request waits for one.
    """
    promotion = registry.promote(
        actor,
        body.prompt,
        body.version,
        body.environment,
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    if promotion.status == "pending":
        response.status_code = 202
    return PromotionAnswer.model_validate(promotion)


@router.get("", responses=problem_responses())
def promotions(
    registry: Asked,
    _actor: Reader,
    status: Annotated[PromotionStatus | None, Query(description="Only these.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[PromotionAnswer]:
    """Promotions, newest first."""
    page = registry.promotions(status, limit, cursor)
    return Listed(**page_of(page, [PromotionAnswer.model_validate(each) for each in page.items]))


@router.get("/{promotion_id}", responses=problem_responses(404))
def promotion(registry: Asked, _actor: Reader, promotion_id: PromotionPath) -> PromotionAnswer:
    """One promotion."""
    return PromotionAnswer.model_validate(registry.promotion(promotion_id))


@router.post("/{promotion_id}/approve", responses=problem_responses(404, 409))
def approve_promotion(registry: Asked, actor: Approver, promotion_id: PromotionPath) -> PromotionAnswer:
    """Applies a promotion that waits. Its author cannot."""
    return PromotionAnswer.model_validate(registry.approve(actor, promotion_id))


@router.post("/{promotion_id}/reject", responses=problem_responses(404, 409))
def reject_promotion(
    registry: Asked, actor: Approver, promotion_id: PromotionPath, body: ReasonBody
) -> PromotionAnswer:
    """Refuses a promotion that waits."""
    return PromotionAnswer.model_validate(registry.reject(actor, promotion_id, body.reason))
