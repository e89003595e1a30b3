from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from coalmine_consumers.store import Store
from coalmine_evals.datasets.proposals import (
    Wanted,
    confirm,
    list_proposals,
    propose,
    propose_request,
    reject,
)
from coalmine_evals.datasets.storage import cases_of, find_dataset, forget_requests
from coalmine_evals.results.datasets import Case, Proposal, Proposed
from coalmine_evals.storage.open import open_database
from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.variables import Variable
from tests.support.data.store_feed import START, Feed, Row, feedback, request

NOW = START + timedelta(days=1)
CONTENT = PromptContent(template="Answer kindly: {{ question }}", variables={"question": Variable("string")})
WANTED = Wanted("refund", None, START, NOW, 100, ("language",))


def asked(number: int, text: str | None, **values: Any) -> Row:
    sent = None if text is None else f"Answer kindly: {text}"
    return request(number, input_text=sent, output_text=f"no {number}", **values)


ROWS = [
    asked(
        1, "I am ann@example.com, where is it?", session_id="s1", segments=[("language", "en"), ("x", "y")]
    ),
    asked(2, "Too late?", session_id="s1", segments=[("language", "de")]),
    asked(3, None),
    asked(4, "Fine?"),
    asked(5, "Other?", prompt="other"),
]
SAID = [
    feedback(11, ROWS[0], thumbs="down"),
    feedback(12, ROWS[0], thumbs="down", comment="call +49 170 1234567"),
    feedback(13, ROWS[1], correction="14 days are left, bob@example.com"),
    feedback(14, ROWS[2], thumbs="down"),
    feedback(15, ROWS[3], thumbs="up"),
    feedback(16, ROWS[4], thumbs="down"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store.open(tmp_path_factory.mktemp("bad") / "store")
    store.commit(Feed().batch(requests=ROWS, feedback=SAID))
    yield store
    store.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "evals.db")
    yield database
    database.close()


def proposed(database: Database, store: Store, wanted: Wanted = WANTED) -> Proposed:
    return propose(
        database, store.reader(), "refunds", wanted, content_of=lambda version: CONTENT, actor="ann"
    )


def test_bad_feedback_becomes_proposals_without_what_names_a_person(database: Database, store: Store) -> None:
    found = proposed(database, store)
    assert (found.proposed, found.known, found.without_text) == (2, 0, 1)
    assert "COALMINE_CAPTURE_TEXT=true" in (found.advice or "")
    corrected, thumbed = list_proposals(database, "refunds").items
    assert corrected.case is not None
    assert corrected.case.variables == {"question": "Too late?"}
    assert corrected.case.recovered
    assert corrected.case.correction is not None
    assert corrected.case.correction.startswith("14 days are left")
    assert corrected.case.answer == "no 2"
    assert corrected.case.capabilities == ("language=de",)
    assert thumbed.case is not None
    assert "where is it?" in str(thumbed.case.variables["question"])
    assert corrected.case.cluster == thumbed.case.cluster
    assert "s1" not in str(thumbed.case.cluster)[:9]
    for text in ("ann@example.com", "bob@example.com", "1234567"):
        assert text not in str((corrected, thumbed))


def propose_one(database: Database, store: Store, number: int, dataset: str = "refunds") -> Proposal:
    return propose_request(
        database,
        store.reader(),
        dataset,
        UUID(ROWS[number]["request_id"]) if number < len(ROWS) else UUID(int=number),
        content_of=lambda prompt, version: CONTENT,
        segments=("language",),
        actor="ann",
        now=NOW,
    )


def test_one_request_is_proposed_whatever_was_said_of_it(database: Database, store: Store) -> None:
    thumbed = propose_one(database, store, 0)
    assert thumbed.case is not None
    assert thumbed.case.comment is not None
    assert "1234567" not in thumbed.case.comment
    assert thumbed.case.capabilities == ("language=en",)
    assert (thumbed.state, thumbed.prompt, thumbed.given_at) == ("waiting", "refund", SAID[1]["event_time"])
    fine = propose_one(database, store, 3)
    assert fine.case is not None
    assert (fine.case.variables, fine.case.comment) == ({"question": "Fine?"}, None)
    reject(database, "refunds", fine.id, actor="bob", now=NOW, reason="fine")
    assert propose_one(database, store, 3).state == "rejected"
    assert propose_one(database, store, 3, "others").state == "waiting"
    assert proposed(database, store).proposed == 1


def test_what_cannot_be_a_case_is_not_proposed(database: Database, store: Store) -> None:
    with pytest.raises(Conflict, match="COALMINE_CAPTURE_TEXT"):
        propose_one(database, store, 2)
    with pytest.raises(NotFound, match="is stored"):
        propose_one(database, store, 99)
    with pytest.raises(InvalidPrompt):
        propose_one(database, store, 0, "no/name")


def test_a_request_is_proposed_once_whatever_was_decided(database: Database, store: Store) -> None:
    proposed(database, store)
    first = list_proposals(database, "refunds").items[0]
    reject(database, "refunds", first.id, actor="bob", now=NOW, reason="noise")
    again = proposed(database, store)
    assert (again.proposed, again.known) == (0, 2)
    (rejected,) = list_proposals(database, "refunds", state="rejected").items
    assert (rejected.case, rejected.decided_by, rejected.reason) == (None, "bob", "noise")
    assert len(list_proposals(database, "refunds", state=None).items) == 2


def test_a_confirmed_proposal_is_a_case_that_knows_its_request(database: Database, store: Store) -> None:
    proposed(database, store)
    corrected, thumbed = list_proposals(database, "refunds").items
    dataset = confirm(database, "refunds", corrected.id, {}, actor="bob", now=NOW)
    assert dataset.cases == 1
    changes = {"id": "late", "expected": {"days": 14}, "must_pass": True, "capabilities": ["refunds"]}
    dataset = confirm(database, "refunds", thumbed.id, changes, actor="bob", now=NOW)
    one, two = cases_of(database, dataset.digest)
    assert one.id == f"production-{ROWS[1]['request_id'].replace('-', '')[-12:]}"
    assert one.expected is not None
    assert one.source == f"request:{ROWS[1]['request_id']}"
    assert two == Case(
        id="late",
        variables=two.variables,
        expected={"days": 14},
        capabilities=("refunds",),
        cluster=one.cluster,
        split="test",
        must_pass=True,
        source=f"request:{ROWS[0]['request_id']}",
    )
    assert find_dataset(database, "refunds") == dataset
    assert list_proposals(database, "refunds").items == []


def test_nobody_confirms_what_nobody_said_or_what_is_decided(database: Database, store: Store) -> None:
    proposed(database, store)
    corrected, thumbed = list_proposals(database, "refunds").items
    with pytest.raises(Invalid, match="say what is right"):
        confirm(database, "refunds", thumbed.id, {}, actor="bob", now=NOW)
    with pytest.raises(Invalid, match="a change is 'source'"):
        confirm(database, "refunds", thumbed.id, {"source": "x"}, actor="bob", now=NOW)
    with pytest.raises(InvalidPrompt, match="split"):
        confirm(database, "refunds", thumbed.id, {"expected": 1, "split": "train"}, actor="bob", now=NOW)
    with pytest.raises(NotFound, match="no proposal 99"):
        confirm(database, "refunds", 99, {}, actor="bob", now=NOW)
    with pytest.raises(NotFound):
        reject(database, "other", thumbed.id, actor="bob", now=NOW, reason=None)
    confirm(database, "refunds", thumbed.id, {"expected": None}, actor="bob", now=NOW)
    with pytest.raises(Conflict, match="was confirmed by bob"):
        reject(database, "refunds", thumbed.id, actor="bob", now=NOW, reason=None)
    assert list_proposals(database, "refunds").items == [corrected]


def test_a_forgotten_request_leaves_cases_and_proposals(database: Database, store: Store) -> None:
    proposed(database, store)
    corrected, thumbed = list_proposals(database, "refunds").items
    confirm(database, "refunds", corrected.id, {}, actor="bob", now=NOW)
    assert forget_requests(database, [thumbed.request_id]) == 1
    assert forget_requests(database, [corrected.request_id]) == 1
    assert list_proposals(database, "refunds").items == []
    assert cases_of(database, find_dataset(database, "refunds").digest) == []
    assert proposed(database, store).proposed == 0


def test_without_a_known_version_the_case_is_all_that_was_sent(database: Database, store: Store) -> None:
    propose(database, store.reader(), "refunds", WANTED, content_of=lambda _: None, actor="ann")
    first = list_proposals(database, "refunds").items[0]
    assert first.case is not None
    assert (first.case.variables, first.case.recovered) == ({"input": "Answer kindly: Too late?"}, False)


def test_where_nothing_is_bad_it_says_what_to_send(database: Database, store: Store) -> None:
    found = proposed(database, store, Wanted("none", "dev", START, NOW, 100))
    assert found.proposed == 0
    assert "client.feedback()" in (found.advice or "")
    with pytest.raises(InvalidPrompt, match="dataset"):
        propose(database, store.reader(), "A B", WANTED, content_of=lambda _: None, actor="ann")
