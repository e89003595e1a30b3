"""Late outcomes find the last call of their unit or session, in whatever order events come."""

import re
import threading
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import starmap, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_consumers.audit import audit
from coalmine_consumers.experiments import experiment_sums
from coalmine_consumers.maintenance import MergePolicy, RetentionPolicy, SealPolicy, rebuild
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES, AdditiveTable, fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.forget import forget_units
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.sql import lent, statement
from coalmine_consumers.store import Store, StoreSettings, raw_relation
from coalmine_consumers.store.outcomes import find_exposures
from coalmine_schemas.ranges import Range
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, Row, outcome, request
from tests.support.oracles.store_state import by_hand, folded, query

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
WINDOW = 72 * HOUR
OLD = request(1, START, unit_id="ann", session_id="s1", version="1.0.0")
NEW = request(2, START + 5 * HOUR, unit_id="ann", session_id="s2", version="2.0.0", prompt="greet")
OTHERS = request(3, START + 6 * HOUR, unit_id="bob", session_id="s3", version="3.0.0")
BOUGHT = outcome(1, START + 30 * HOUR, unit_id="ann")


def commit(store: Store, feed: Feed, rows: list[Row]) -> None:
    requests = [row for row in rows if "latency_ms" in row]
    store.commit(feed.batch(requests, scores=[row for row in rows if "score_id" in row]))


def versions(store: Store, name: str = "converted") -> dict[str, tuple[int, float]]:
    """Of each version, how many outcomes count and their mean."""
    rows = query(
        store,
        "SELECT version, sum(n), sum(n * mean) / sum(n) FROM rollup_metrics "
        f"WHERE resolution = 'day' AND name = '{name}' GROUP BY version HAVING sum(n) <> 0",
    )
    return {version: (int(n), float(mean)) for version, n, mean in rows}


def settle(store: Store) -> int:
    return settle_outcomes(store, NOW).moved


def whole(store: Store) -> int:
    """How many events the audit says belong nowhere, after it found everything else in order."""
    report = audit(store, deep=True)
    assert report.ok, report.missing
    return report.unattributed_scores


ORDERS: dict[str, list[list[Row]]] = {
    "calls first": [[OLD], [NEW], [OTHERS], [BOUGHT]],
    "all at once": [[OLD, NEW, OTHERS, BOUGHT]],
    "outcome first": [[BOUGHT], [OTHERS], [NEW], [OLD]],
    "the last call late": [[OLD], [BOUGHT], [NEW, OTHERS]],
    "the first call late": [[NEW, OTHERS], [BOUGHT], [OLD]],
    "everything twice": [[OLD, BOUGHT], [OLD, BOUGHT], [NEW, OTHERS, BOUGHT], [NEW]],
}


def of_case(row: Row, case: int) -> Row:
    """The same of units and sessions that no other case has, so that one store serves all of them."""
    whose = {name: f"{row[name]}-{case}" for name in ("unit_id", "session_id") if row.get(name)}
    key = "score_id" if "score_id" in row else "request_id"
    ids = {key: row[key][:-4] + f"{case + 1:02x}" + row[key][-2:]}
    if "score_id" in row:
        ids |= {"name": f"{row['name']}-{case}", "request_id": ids[key]}
    return row | whose | ids


def test_an_outcome_counts_for_the_last_call_of_its_unit(store: Store) -> None:
    feed = Feed()
    for batches in zip_longest(*ORDERS.values(), fillvalue=[]):
        commit(store, feed, [of_case(row, case) for case, rows in enumerate(batches) for row in rows])
        settle(store)
    assert settle(store) == 0
    counted_for = dict(query(store, "SELECT name, request_id FROM scores"))
    assert len(counted_for) == len(ORDERS)
    for case, order in enumerate(ORDERS):
        assert versions(store, f"converted-{case}") == {"2.0.0": (1, 1.0)}, order
        assert counted_for[f"converted-{case}"] == of_case(NEW, case)["request_id"], order
    assert query(store, "SELECT count(*) FROM scores") == [(len(ORDERS),)]


def test_an_outcome_with_the_id_of_a_call_is_not_that_calls(store: Store) -> None:
    """Some name an outcome after a call, so that a retry is no second one."""
    same = {"score_id": OTHERS["request_id"], "request_id": OTHERS["request_id"]}
    commit(store, Feed(), [OLD, OTHERS, BOUGHT | same])
    assert (whole(store), versions(store)) == (1, {})
    settle(store)
    assert (whole(store), versions(store)) == (0, {OLD["version"]: (1, 1.0)})


def test_calls_of_a_unit_are_not_paired_with_all_of_its_outcomes(store: Store) -> None:
    """A robot has a hundred thousand of both: pairing them would take hours."""
    feed, number = Feed(), 300
    calls = [request(each, START + timedelta(seconds=each), unit_id="bot") for each in range(number)]
    bought = [
        outcome(each, START + timedelta(hours=1, seconds=each), unit_id="bot") for each in range(number)
    ]
    commit(store, feed, [*calls, *bought])
    late = [{"unit_id": "bot", "session_id": "s", "event_time": call["event_time"]} for call in calls]
    common = {"first": START, "window_us": WINDOW // timedelta(microseconds=1)}
    finding = statement("last_exposures", "coalmine_consumers.store").format(
        requests="requests", outcomes="late_outcomes"
    )
    reopening = statement("reopen_outcomes", "coalmine_consumers.store")
    with store.transaction() as connection, lent(connection, arrived=pa.Table.from_pylist(late)):
        for sql, more in ((finding, {"last": START + WINDOW}), (reopening, {"ingest_id": 9})):
            explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", common | more).fetchall()
            numbers = [int(each) for each in re.findall(r'"intermediate_rows": (\d+)', explained[0][1])]
            assert number <= max(numbers) <= 10 * number


def test_a_rebuild_counts_it_for_the_same_call(store: Store) -> None:
    feed = Feed()
    for rows in ORDERS["the last call late"]:
        commit(store, feed, rows)
        settle(store)
    before = {table: folded(store, table) for table in ADDITIVE_TABLES}
    rebuild(store)
    assert {table: folded(store, table) for table in ADDITIVE_TABLES} == before
    assert whole(store) == 0


WHOSE: dict[str, tuple[Row, str | None]] = {
    "the unit": (outcome(1, START + 6 * HOUR, unit_id="ann"), "2.0.0"),
    "the unit and a prompt": (outcome(1, START + 6 * HOUR, unit_id="ann", prompt="refund"), "1.0.0"),
    "the session": (outcome(1, START + 6 * HOUR, session_id="s1"), "1.0.0"),
    "the unit and the session": (outcome(1, START + 6 * HOUR, unit_id="ann", session_id="s1"), "1.0.0"),
    "another's session": (outcome(1, START + 6 * HOUR, unit_id="bob", session_id="s1"), None),
    "nobody": (outcome(1, START + 6 * HOUR, unit_id="cid"), None),
    "the moment of the call": (outcome(1, START, unit_id="ann"), "1.0.0"),
    "just before any call": (outcome(1, START - timedelta(microseconds=1), unit_id="ann"), None),
    "the end of the window": (outcome(1, START + 5 * HOUR + WINDOW, unit_id="ann"), "2.0.0"),
    "after the window": (
        outcome(1, START + 5 * HOUR + WINDOW + timedelta(microseconds=1), unit_id="ann"),
        None,
    ),
}


@pytest.mark.parametrize("late", [False, True], ids=["calls first", "outcome first"])
def test_whose_an_outcome_is_and_when(store: Store, late: bool) -> None:
    feed = Feed()
    said = [of_case(row, case) for case, (row, _) in enumerate(WHOSE.values())]
    calls = [of_case(row, case) for case in range(len(WHOSE)) for row in (OLD, NEW, OTHERS)]
    for rows in (said, calls)[:: 1 if late else -1]:
        commit(store, feed, rows)
        settle(store)
    for case, (whose, (_, version)) in enumerate(WHOSE.items()):
        expected = {} if version is None else {version: (1, 1.0)}
        assert versions(store, f"converted-{case}") == expected, whose
    assert audit(store).unattributed_scores == sum(version is None for _, version in WHOSE.values())


def test_outcomes_and_scores_of_one_name_have_one_mean(store: Store) -> None:
    commit(store, Feed(), [OLD, BOUGHT | {"value": 0.0, "event_time": START + HOUR}, score_of(OLD)])
    settle(store)
    assert versions(store) == {"1.0.0": (2, 0.5)}
    # Days would count as the delay of scores, which says how long an experiment waits for these.
    delays = query(
        store,
        "SELECT sum(list_sum(counts)) FROM rollup_histograms "
        "WHERE resolution = 'day' AND metric = 'score_delay_ms'",
    )
    assert delays == [(1,)]


def score_of(row: Row) -> Row:
    at = row["event_time"] + HOUR
    return outcome(9, at) | {"request_id": row["request_id"], "source": "judge"}


def test_what_is_opened_again_meanwhile_waits_for_the_next_time(store: Store) -> None:
    feed = Feed()
    commit(store, feed, [OLD, BOUGHT])
    with store.cursor() as cursor:
        found = find_exposures(cursor, store.directory)
    assert found is not None
    commit(store, feed, [NEW])
    settled = threading.Event()

    def look_up_before_the_commit(_: Any, __: Any) -> Any:
        settled.set()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coalmine_consumers.store.outcomes.find_exposures", look_up_before_the_commit)
        assert settle(store) == 0
    assert settled.is_set()
    assert versions(store) == {}
    assert settle(store) == 1
    assert versions(store) == {"2.0.0": (1, 1.0)}


def test_an_outcome_waits_across_a_restart(store: Store) -> None:
    feed = Feed()
    commit(store, feed, [BOUGHT])
    settle(store)
    store.close()
    again = Store.open(store.directory, store.settings)
    commit(again, feed, [OLD])
    settle(again)
    assert versions(again) == {"1.0.0": (1, 1.0)}
    again.close()


def seal_all(store: Store) -> None:
    for event in ("requests", "scores"):
        seal(store, event, SealPolicy(max_rows=1, min_day_rows=1), NOW)


def test_an_outcome_stays_with_a_call_that_has_expired(store: Store) -> None:
    feed = Feed()
    commit(store, feed, [in_experiment(OLD), BOUGHT])
    settle(store)
    seal_all(store)
    cells = query(store, CELLS)
    expire(store, RetentionPolicy(raw_days=1), START + 48 * HOUR)  # of the day of the call
    assert query(store, "SELECT count(*) FROM requests") == [(0,)]
    assert versions(store) == {"1.0.0": (1, 1.0)}
    assert whole(store) == 0
    rebuild(store)
    # A call of a day that is gone comes late: it cannot take what is counted for another that is gone.
    commit(store, feed, [NEW])
    settle(store)
    assert versions(store) == {"1.0.0": (1, 1.0)}
    assert query(store, CELLS) == cells
    assert whole(store) == 0


def test_outcomes_expire_with_their_raw_rows(store: Store) -> None:
    feed = Feed()
    commit(store, feed, [OLD, BOUGHT, outcome(2, START, unit_id="nobody")])
    settle(store)
    seal_all(store)
    expire(store, RetentionPolicy(raw_days=1), START + 96 * HOUR)
    assert query(store, "SELECT count(*) FROM late_outcomes") == [(0,)]
    assert whole(store) == 1
    assert versions(store) == {"1.0.0": (1, 1.0)}


def test_outcomes_are_kept_as_long_as_their_call(store: Store) -> None:
    commit(store, Feed(), [OLD, BOUGHT])
    settle(store)
    seal(store, "scores", SealPolicy(max_rows=1, min_day_rows=1), NOW)
    held = expire(store, RetentionPolicy(raw_days=1), START + 96 * HOUR).held_back  # the call is hot still
    assert [segment.event for segment in held] == ["scores"]
    assert whole(store) == 0


@pytest.mark.parametrize("sealed", [False, True])
def test_forgetting_a_user_leaves_the_figures_of_their_outcomes(store: Store, sealed: bool) -> None:
    feed = Feed()
    of_session = outcome(2, START + HOUR, "reopened", 0.0, session_id="s1")
    commit(store, feed, [OLD, NEW, OTHERS, BOUGHT, of_session, outcome(3, START + 9 * HOUR, unit_id="bob")])
    if sealed:
        seal_all(store)
    done = forget_units(store, ["ann"], MergePolicy(), NOW)
    assert (done.rows["scores"], done.rows["late_outcomes"]) == (2, 2)
    assert set(done.left.values()) == {0}
    with store.cursor() as cursor:
        raw = raw_relation(cursor, store.directory, "scores")
    for table in (raw, "late_outcomes", "requests"):
        said = query(store, f"SELECT unit_id, session_id FROM {table}")
        assert not {"ann", "s1", "s2"} & {each for row in said for each in row}, table
    expected = {"2.0.0": (1, 1.0), "3.0.0": (1, 1.0)}
    assert (versions(store), versions(store, "reopened")) == (expected, {"1.0.0": (1, 0.0)})
    rebuild(store)
    assert (versions(store), versions(store, "reopened")) == (expected, {"1.0.0": (1, 0.0)})
    assert whole(store) == 0


def test_an_audit_notices_an_outcome_that_counts_for_another_call(store: Store) -> None:
    commit(store, Feed(), [OLD, NEW, BOUGHT])
    settle(store)
    by_hand(store, f"UPDATE late_outcomes SET request_id = '{OLD['request_id']}'")
    report = audit(store, deep=True)
    assert next(check.name for check in report.checks if not check.ok) == "late outcomes"


CELLS = (
    "SELECT metric, variant, sum(n), sum(sum_x), sum(sum_y), any_value(matures_at) "
    "FROM experiment_cells WHERE metric IN ('converted', 'per_unit.converted') "
    "GROUP BY ALL HAVING sum(n) <> 0 ORDER BY ALL"
)
BOUNDS = "INSERT INTO experiment_bounds VALUES ('exp', 'converted', 0, 9, 'declared', 0, now())"


def in_experiment(row: Row, variant: str = "treatment") -> Row:
    return row | {"experiment": "exp", "allocation_epoch": 1, "variant": variant}


def test_outcomes_count_in_experiments_once_their_calls_are_old_enough(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path, StoreSettings(ranges={"converted": Range(0.0, 9.0)}))) as store:
        feed = Feed()
        commit(
            store,
            feed,
            [in_experiment(OLD), BOUGHT, outcome(2, START + HOUR, "converted", 3.0, unit_id="ann")],
        )
        settle(store)
        commit(store, feed, [in_experiment(NEW, "control")])
        settle(store)
        old_enough, later = (START + hours * HOUR + WINDOW for hours in (2.5, 7))  # 16 buckets to a window
        expected = [
            ("converted", "control", 1, 1.0, 1.0, later),
            ("converted", "treatment", 1, 1.0, 3.0, old_enough),
        ]
        assert query(store, CELLS) == expected
        for table in ADDITIVE_TABLES:
            fold(store, table, rows_at_once=100)
        assert [row[:-1] for row in query(store, CELLS)] == [row[:-1] for row in expected]
        assert whole(store) == 0


def test_nothing_is_left_of_what_moved_once_rows_are_folded(tmp_path: Path) -> None:
    tables: list[AdditiveTable] = ["rollup_metrics", "experiment_cells", "experiment_segment_cells"]
    declared = StoreSettings(ranges={"converted": Range(0.0, 9.0)}, segments=("language",))
    with closing(Store.open(tmp_path, declared)) as store:
        feed = Feed()
        commit(
            store, feed, [in_experiment(OLD) | {"segments": [("language", "de")]}, BOUGHT | {"value": 0.5}]
        )
        settle(store)
        commit(store, feed, [NEW])
        settle(store)
        for table in tables:
            is_rollup = table == "rollup_metrics"
            key, name = ("version", "name") if is_rollup else ("variant", "metric")
            left = f"SELECT {key}, n FROM {table} WHERE {name} LIKE '%converted'"
            assert {n for _, n in query(store, left)} == {-1, 1}, table
            fold(store, table, rows_at_once=100)
            assert set(query(store, left)) == ({("2.0.0", 1)} if is_rollup else set()), table


UNITS = ("ann", "bob")
SESSIONS = ("s", "t", None)
PROMPTS = ("refund", "greet")
CALLED = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(UNITS), st.sampled_from(SESSIONS), st.sampled_from(PROMPTS)),
    min_size=1,
    max_size=6,
)
SAID = st.lists(
    st.tuples(
        st.integers(-1, 10),
        st.sampled_from((*UNITS, None)),
        st.sampled_from(SESSIONS),
        st.sampled_from((*PROMPTS, None)),
        st.sampled_from((0.0, 1.0, 2.5)),
    ).filter(lambda said: said[1] is not None or said[2] is not None),
    min_size=1,
    max_size=5,
)


def a_call(number: int, called: tuple[int, str, str | None, str]) -> Row:
    """The calls of odd numbers are in an experiment; nine steps are three windows."""
    step, unit, session, prompt = called
    row = request(number, START + step * WINDOW / 3, unit_id=unit, session_id=session, prompt=prompt)
    return in_experiment(row, ("control", "treatment")[step % 2]) if number % 2 else row


def an_outcome(number: int, said: tuple[int, str | None, str | None, str | None, float]) -> Row:
    step, unit, session, prompt, value = said
    at = START + step * WINDOW / 3
    return outcome(100 + number, at, value=value, unit_id=unit, session_id=session, prompt=prompt)


def last_call(said: Row, calls: list[Row]) -> Row | None:
    """By the definition, in plain Python."""
    mine = [
        call
        for call in calls
        if timedelta(0) <= said["event_time"] - call["event_time"] <= WINDOW
        and all(said[name] in (None, call[name]) for name in ("unit_id", "session_id", "prompt"))
    ]
    return max(mine, key=lambda call: (call["event_time"], call["request_id"]), default=None)


def counted_for(said: Row, calls: list[Row]) -> Row | None:
    """The first exposure of the unit of an outcome, if it counts from that on."""
    if (last := last_call(said, calls)) is None:
        return None
    if (said["session_id"] or said["prompt"]) and not last.get("experiment"):
        return None
    mine = [each for each in calls if each.get("experiment") and each["unit_id"] == last["unit_id"]]
    first = min(mine, key=lambda call: (call["event_time"], call["variant"]), default=None)
    is_in_time = first and timedelta(0) <= said["event_time"] - first["event_time"] <= WINDOW
    return first if is_in_time else None


def expected_of(calls: list[Row], outcomes: list[Row]) -> dict[str, dict[Any, list[float]]]:
    """Values by series of the rollups, by arm and unit group of the cells, and those of units."""
    rollups, cells, units = defaultdict(list), defaultdict(list), defaultdict(list)
    for said in outcomes:
        if (call := last_call(said, calls)) is not None:
            rollups[call["prompt"], call["event_time"]].append(said["value"])
            if call.get("experiment"):
                cells[call["variant"], call["unit_group"]].append(said["value"])
        if (first := counted_for(said, calls)) is not None:
            units[first["variant"], first["unit_group"]].append(said["value"])
    return {"rollups": dict(rollups), "cells": dict(cells), "units": dict(units)}


def found_in(store: Store) -> dict[str, dict[Any, Any]]:
    rollups = query(
        store,
        "SELECT prompt, bucket_start, sum(n), sum(n * mean) FROM rollup_metrics "
        "WHERE resolution = 'minute' GROUP BY ALL HAVING sum(n) <> 0",
    )
    cells = query(
        store,
        "SELECT variant, unit_group, sum(n), sum(sum_x), sum(sum_y) FROM experiment_cells "
        "WHERE metric IN ('converted', 'per_unit.converted') GROUP BY ALL HAVING sum(n) <> 0",
    )
    return {
        "rollups": {(prompt, at): tuple(rest) for prompt, at, *rest in rollups},
        "cells": {(variant, group): tuple(rest) for variant, group, *rest in cells},
        "units": units_in(store),
    }


def units_in(store: Store) -> dict[Any, float]:
    """What their outcomes add up to, by arm and unit group."""
    sums = experiment_sums(store.reader(), "exp", at=NOW)
    if sums is None or "per_unit.converted" not in sums.metrics:
        return {}
    of_groups = sums.y[sums.metrics.index("per_unit.converted")].sum(axis=0)
    return {(sums.arms[arm], group): of_groups[arm, group] for arm, group in np.argwhere(of_groups)}


@settings(max_examples=size(4, 500), deadline=None)
@given(called=CALLED, said=SAID, data=st.data())
def test_figures_do_not_depend_on_the_order_in_which_events_come(
    called: list[Any], said: list[Any], data: st.DataObject
) -> None:
    calls, outcomes = list(starmap(a_call, enumerate(called))), list(starmap(an_outcome, enumerate(said)))
    arriving = data.draw(st.permutations([*calls, *outcomes, *outcomes]))
    expected = expected_of(calls, outcomes)
    feed = Feed()
    with TemporaryDirectory() as directory, closing(Store.open(Path(directory))) as store:
        by_hand(store, BOUNDS)
        while arriving:
            size_of_batch = data.draw(st.integers(1, 6))
            commit(store, feed, [arriving.pop() for _ in range(min(len(arriving), size_of_batch))])
            if data.draw(st.booleans()):
                settle(store)
        settle(store)
        for is_rebuilt in (False, True):
            if is_rebuilt:
                rebuild(store)
            found = found_in(store)
            assert found["rollups"] == {
                key: (len(values), pytest.approx(sum(values))) for key, values in expected["rollups"].items()
            }
            assert found["cells"] == {
                key: (len(values), len(values), sum(values)) for key, values in expected["cells"].items()
            }
            assert found["units"] == {
                key: sum(values) for key, values in expected["units"].items() if any(values)
            }
        unattributed = sum(last_call(each, calls) is None for each in outcomes)
        assert whole(store) == unattributed
