from pathlib import Path

import pytest

from coalmine_simulator.config_file import load_config, parse_config
from coalmine_simulator.distributions import Exponential, Lognormal
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.profiles import LeadsTo
from coalmine_simulator.scenarios import scenario

OWN = """
[traffic]
requests_per_s = 12
think_time_s = { median = 5, sigma = 0.5 }

[population]
users = 40
tiers = [ { name = "only", share = 1 } ]

[[prompts]]
name = "greet"
app = "bot"
judge = { share = 0.5, delay_s = { mean = 4 } }
feedback = { thumb_rate = 0.3, delay_s = { median = 9, sigma = 1.0 } }
leads_to = { prompt = "farewell", probability = 0.25 }

  [[prompts.versions]]
  version = "1.0.0"
  model = "gpt-4o-mini"
  provider = "openai"
  quality = 0.8
  input_tokens = { median = 100, sigma = 0.3 }
  output_tokens = { median = 50, sigma = 0.3 }
  latency_ms = { median = 800, sigma = 0.4 }
  segment_effects = [ { key = "tier", value = "only", quality_shift = -0.1 } ]

  [[prompts.releases]]
  at_s = 0
  arms = [ { variant = "control", version = "1.0.0" } ]

[[prompts]]
name = "farewell"
app = "bot"
weight = 0

  [[prompts.versions]]
  version = "0.1.0"
  model = "gpt-4o-mini"
  provider = "openai"
  quality = 0.8
  input_tokens = { median = 100, sigma = 0.3 }
  output_tokens = { median = 50, sigma = 0.3 }
  latency_ms = { median = 800, sigma = 0.4 }

  [[prompts.releases]]
  at_s = 0
  arms = [ { variant = "control", version = "0.1.0" } ]

[[incidents]]
name = "slow"
starts_at_s = 60
ends_at_s = 120
effect = { latency_factor = 3 }
target = { provider = "openai" }
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "simulation.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_simulation_can_be_written_in_a_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, OWN))
    greet, farewell = config.prompts
    assert (config.traffic.requests_per_s, config.traffic.think_time_s) == (12.0, Lognormal(5, 0.5))
    assert (config.population.users, config.population.tiers[0].name) == (40, "only")
    assert greet.judge is not None
    assert (greet.judge.share, greet.judge.delay_s) == (0.5, Exponential(4.0))
    assert greet.feedback.delay_s == Lognormal(9.0, 1.0)
    assert greet.leads_to == LeadsTo("farewell", 0.25)
    assert greet.versions[0].segment_effects[0].quality_shift == -0.1
    assert (farewell.judge, farewell.weight) == (None, 0.0)
    assert (config.incidents[0].effect.latency_factor, config.incidents[0].target.provider) == (3.0, "openai")


def test_a_file_may_change_parts_of_a_built_in_scenario(tmp_path: Path) -> None:
    text = 'scenario = "demo"\nstory_s = 600\n[traffic]\nrequests_per_s = 30\n[population]\nusers = 10\n'
    config = load_config(written(tmp_path, text))
    demo = scenario("demo", 600.0)
    assert (config.prompts, config.incidents) == (demo.prompts, demo.incidents)
    assert (config.traffic.requests_per_s, config.population.users) == (30.0, 10)
    assert config.traffic.calls_per_session == demo.traffic.calls_per_session


def test_the_story_s_length_is_the_caller_s_unless_the_file_says_one() -> None:
    assert parse_config({"scenario": "demo"}, 120.0) == scenario("demo", 120.0)
    assert parse_config({"scenario": "demo", "story_s": 60}, 120.0) == scenario("demo", 60.0)


def test_incidents_of_a_scenario_can_be_taken_out() -> None:
    assert parse_config({"scenario": "incident", "incidents": []}).incidents == ()


@pytest.mark.parametrize(
    ("before", "after", "key", "expected"),
    [
        ("requests_per_s = 12", "request_per_s = 12", "traffic.request_per_s", "'requests_per_s'"),
        ("users = 40", "users = true", "population.users", "a whole number"),
        ("users = 40", "users = 4.5", "population.users", "a whole number"),
        ("requests_per_s = 12", 'requests_per_s = "12"', "traffic.requests_per_s", "a number"),
        ("requests_per_s = 12", "requests_per_s = 0", "traffic.requests_per_s", "above 0"),
        ("quality = 0.8", "quality = 8", "prompts[0].versions[0].quality", "a share between 0 and 1"),
        ('  version = "1.0.0"\n', "", "prompts[0].versions[0].version", "it has no default"),
        ("{ mean = 4 }", "{ rate = 4 }", "prompts[0].judge.delay_s", "{median, sigma} or {mean}"),
        ("{ mean = 4 }", "7", "prompts[0].judge.delay_s", "a table"),
        ("{ latency_factor = 3 }", "3", "incidents[0].effect", "a table"),
        ("leads_to = { prompt", "follows = { prompt", "prompts[0].follows", "one of name"),
        ('prompt = "farewell"', 'prompt = "hello"', "leads_to.prompt", "the name of a prompt"),
        ("tiers = [ { name", "tiers = { only = 1 }\ncountries = [ { name", "population.tiers", "a list"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(
    tmp_path: Path, before: str, after: str, key: str, expected: str
) -> None:
    assert before in OWN
    path = written(tmp_path, OWN.replace(before, after, 1))
    with pytest.raises(InvalidConfig) as caught:
        load_config(path)
    assert caught.value.key == f"{path}: {key}"
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenario = ", "a file in TOML"),
        ('scenario = "chaos"', "one of steady"),
        ("", "at least one"),
        ("traffic = 5\nscenario = 'demo'", "a table"),
        ("prompts = 5", "a list"),
        ("speed = 5", "a known key"),
    ],
)
def test_a_file_that_says_no_simulation_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        load_config(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="can be read"):
        load_config(tmp_path / "absent.toml")
