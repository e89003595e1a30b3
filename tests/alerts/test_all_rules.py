"""All default rules together, over a rollout that takes itself back: what is told, and what is not."""

from datetime import timedelta
from pathlib import Path

from coalmine_alerts.configuration.records import default_configuration
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.open import open_database
from tests.support.data.rollout_case import BROKEN, Rig


def test_a_rollback_that_worked_is_all_that_is_told(tmp_path: Path) -> None:
    configuration = default_configuration()
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.1.0": BROKEN}
        rig.minutes(3)
        database = open_database(tmp_path / "alerts.db")
        sources = Sources(store=rig.store, registry=rig.registry, readouts=rig.readouts)
        engine: Engine[Facts] = Engine(
            database, configuration.rules, FactReader(sources, configuration.needs), lambda _: ["team"]
        )
        told = list(engine.tick(rig.clock.now))
        rollout = rig.start()
        over = rig.clock.now + timedelta(minutes=24)
        while rig.clock.now < over:
            rig.minutes(1, step=1 if rig.rollouts.rollout(rollout.id).state == "running" else 3)
            told += engine.tick(rig.clock.now)
        assert rig.rollouts.rollout(rollout.id).state == "rolled_back"
        known = {each.fingerprint: each for each in list_alerts(database, limit=500).items}
        database.close()
    said = [(known[each.fingerprint].rule, each.severity) for each in told if each.told]
    assert set(said) == {("prompt_changed", "info"), ("rollout_decision", "info")}
    assert said.count(("prompt_changed", "info")) == 1  # what the rollout did is told as its own
    assert [each.state for each in known.values() if each.rule == "rule_failed"] == []


def test_every_rule_has_a_name_of_its_own_and_says_what_it_tells() -> None:
    for name, rule in DEFAULT_RULES.items():
        assert rule.name == name
        assert rule.summary
        assert rule.needs is not None
