"""Changes of deployments: stored once however often they come, counted, marked, audited, replayed."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb
import fastavro
import pytest

from coalmine_consumers import audit
from coalmine_consumers.collector.decode import decode_batch
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.dead_letters import DeadLetterFilter, replay_dead_letters
from coalmine_consumers.experiments import allocations
from coalmine_consumers.queries import Filters, deployment_marks
from coalmine_consumers.raw import Origin, RawBatch, RawColumn, TopicPartition
from coalmine_consumers.results import MarkArm, MarkExperiment
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import CommitResult, Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.catalogue import Schema, versions
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import Deployment, DeploymentArm, DeploymentExperiment
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SpoolWriter

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENCODER = Encoder(SingleObjectFraming())
WHERE = TopicPartition("coalmine.deployments", "0")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


def change(revision: int, **fields: object) -> Deployment:
    base = Deployment(
        environment="prod",
        prompt="greet",
        event_time=NOON + timedelta(minutes=revision),
        revision=revision,
        version=f"1.{revision}.0",
        action="promote",
        changed_by="bob",
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def frames(*changes: Deployment) -> list[bytes]:
    return [ENCODER.encode("deployments", each.to_record()) for each in changes]


def field_names(schema: Schema) -> set[str]:
    return {each["name"] for each in schema.parsed["fields"]}


def commit(store: Store, values: Sequence[bytes], start: int = 0) -> CommitResult:
    column = RawColumn(values, lambda index: Origin(*WHERE[:2], start + index, None, b"prod/greet"))
    raw = RawBatch({"deployments": column}, {WHERE: start}, {WHERE: start + len(values)})
    return store.commit(decode_batch(raw, BatchDecoder(SchemaResolver()), Pricer()))


def test_a_change_is_stored_once_however_often_it_comes(store: Store) -> None:
    first = commit(store, frames(change(1), change(2), change(2)))
    assert (first.stored, first.duplicates, first.dead_lettered) == (2, 1, 0)
    again = commit(store, [*frames(change(2), change(3)), b"rubbish"], 3)
    assert (again.stored, again.duplicates, again.dead_lettered) == (1, 1, 1)
    marks = deployment_marks(store.reader(), Filters(), 100)
    assert [mark.revision for mark in marks] == [1, 2, 3]
    report = audit.audit(store)
    assert report.ok, report.missing


def test_a_registry_made_anew_counts_from_the_start_and_is_marked_all_the_same(store: Store) -> None:
    commit(store, frames(change(1), change(1, event_time=NOON + timedelta(days=1), version="9.0.0")))
    assert [mark.version for mark in deployment_marks(store.reader(), Filters(), 100)] == ["1.1.0", "9.0.0"]


def test_marks_say_what_was_served_and_are_chosen_by_prompt_environment_and_time(store: Store) -> None:
    arms = [DeploymentArm(variant="t", version="1.1.0", weight=0.1)]
    running = [
        DeploymentExperiment(name="tone", allocation_epoch=2, arms=arms),
        DeploymentExperiment(name="of-rule", rule="german", allocation_epoch=1, arms=arms),
    ]
    commit(
        store,
        frames(
            change(
                1,
                experiment="tone",
                allocation_epoch=2,
                arms=arms,
                reason="looks good",
                experiments=running,
                rollout="tone",
                rollout_decision=3,
            ),
            change(2, environment="dev"),
            change(3, prompt="other"),
            change(4),
        ),
    )
    reader = store.reader()
    (mark, _) = deployment_marks(reader, Filters(prompt="greet", environment="prod"), 100)
    assert (mark.event_time, mark.version) == (NOON + timedelta(minutes=1), "1.1.0")
    assert mark.experiments == [
        MarkExperiment("tone", None, 2, [MarkArm("t", "1.1.0", 0.1)]),
        MarkExperiment("of-rule", "german", 1, [MarkArm("t", "1.1.0", 0.1)]),
    ]
    assert (mark.rollout, mark.rollout_decision) == ("tone", 3)
    for name, epoch in (("tone", 2), ("of-rule", 1)):
        assert allocations(reader, name) == {epoch: {"t": 0.1}}
    assert (mark.action, mark.changed_by, mark.reason) == ("promote", "bob", "looks good")
    since = Filters(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4))
    assert [each.revision for each in deployment_marks(reader, since, 100)] == [2, 3]
    assert [each.revision for each in deployment_marks(reader, Filters(), 2)] == [3, 4]


def test_a_writer_of_version_1_tells_of_one_experiment(store: Store) -> None:
    arms = [DeploymentArm(variant="t", version="1.1.0", weight=0.1)]
    event = change(1, experiment="tone", allocation_epoch=2, arms=arms)
    first = versions("deployments")[0]
    old = {name: value for name, value in event.to_record().items() if name in field_names(first)}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, first.parsed, old)
    commit(store, [b"\xc3\x01" + first.fingerprint + body.getvalue(), *frames(change(2))])
    marks = deployment_marks(store.reader(), Filters(), 100)
    told = MarkExperiment("tone", None, 2, [MarkArm("t", "1.1.0", 0.1)])
    assert [each.experiments for each in marks] == [[told], []]
    assert allocations(store.reader(), "tone") == {2: {"t": 0.1}}


def test_what_was_stored_before_keeps_its_experiment(tmp_path: Path) -> None:
    first, second = (
        (files("coalmine_consumers.store") / "migrations" / f"{name}.sql").read_text()
        for name in ("0005_deployments", "0016_experiments_of_deployments")
    )
    with duckdb.connect(tmp_path / "old.duckdb") as connection:
        connection.execute(first)
        for revision, experiment in (
            (1, "'tone', 2, [{'variant': 't', 'version': '1', 'weight': 1}]"),
            (2, "NULL, NULL, []"),
        ):
            connection.execute(
                f"INSERT INTO deployments VALUES ('prod', 'greet', {revision}, now(), '1.0.0', {experiment}, "
                "'promote', 'bob', NULL, 1, now())"
            )
        connection.execute(f"BEGIN; {second}; COMMIT")
        rows = connection.execute("SELECT experiments FROM deployments ORDER BY revision").fetchall()
    arm = {"variant": "t", "version": "1", "weight": 1.0}
    told = {"name": "tone", "rule": None, "allocation_epoch": 2, "arms": [arm]}
    assert rows == [([told],), ([],)]


def test_a_change_that_was_deleted_by_hand_is_missed(store: Store) -> None:
    commit(store, frames(change(1), change(2)))
    with store.transaction() as connection:
        connection.execute("DELETE FROM deployments WHERE revision = 1").fetchall()
    report = audit.audit(store)
    assert not report.ok
    assert any("deployments: expected 2, found 1" in each for each in report.missing)


def test_one_that_could_not_be_read_is_replayed_once_it_can(store: Store) -> None:
    (good,) = frames(change(1))
    commit(store, [b"rubbish"])
    with store.transaction() as connection:
        connection.execute("UPDATE dead_letters SET payload = $payload", {"payload": good}).fetchall()
    done = replay_dead_letters(store, BatchDecoder(SchemaResolver()), Pricer(), DeadLetterFilter())
    assert (done.selected, done.replayed) == (1, 1)
    assert [mark.revision for mark in deployment_marks(store.reader(), Filters(), 100)] == [1]
    assert audit.audit(store).ok


def test_the_spool_is_read_for_them(store: Store, tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool")
    (frame,) = frames(change(1))
    writer.write([SpoolRecord("deployments", b"prod/greet", frame, 0)])
    writer.close()
    source = SpoolSource(tmp_path / "spool")
    source.start(store.positions, lambda: None)
    raw = source.poll(100, 1.0)
    assert raw is not None
    assert not raw.unroutable
    store.commit(decode_batch(raw, BatchDecoder(SchemaResolver()), Pricer()))
    assert len(deployment_marks(store.reader(), Filters(), 100)) == 1
    source.close()
