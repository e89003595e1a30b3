"""Dead letters as answers."""

import base64
from dataclasses import asdict

from coalmine_consumers.dead_letters import DeadLetter, ReplayResult
from coalmine_server.services.models import DeadLetterDetail, DeadLettersChanged, StillFailing


def dead_letter_detail(found: DeadLetter) -> DeadLetterDetail:
    """One dead letter with its bytes, in a form that JSON can carry."""
    return DeadLetterDetail(
        **asdict(found.summary),
        frame=found.header.kind,
        published_as=found.header.published_as,
        payload_base64=base64.b64encode(found.payload).decode("ascii"),
        key_base64=None if found.key is None else base64.b64encode(found.key).decode("ascii"),
    )


def discarded(letters: int) -> DeadLettersChanged:
    """What came of giving up so many."""
    return DeadLettersChanged(
        action="discard", selected=letters, replayed=0, duplicates=0, discarded=letters, failing=[]
    )


def replayed(result: ReplayResult) -> DeadLettersChanged:
    """What came of a replay."""
    return DeadLettersChanged(
        action="replay",
        selected=result.selected,
        replayed=result.replayed,
        duplicates=result.duplicates,
        discarded=0,
        failing=[StillFailing.model_validate(each) for each in result.failing],
    )
