"""Commands over measures: a name that nobody uses is an error, and names the nearest one."""

from pathlib import Path

import pytest

from tests.server.conftest import PROMPT, TRACE
from tests.support.processes.coalmine_process import ServerProcess, coalmine

UNKNOWN = [
    ("--prompt", "suport-refund", f"did you mean {PROMPT}?"),
    ("--version", "1.0", "did you mean 1.0.0?"),
    ("--environment", "prd", "did you mean prod?"),
    ("--app", "support-bt", "did you mean support-bot?"),
    ("--model", "gpt-4o-mni", "did you mean gpt-4o-mini?"),
]


def told(server: ServerProcess, home: Path, *arguments: str) -> str:
    """What a command that must fail for its usage says."""
    env = {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": server.token}
    done = coalmine(*arguments, home=home, env=env)
    assert (done.returncode, done.stdout) == (2, ""), done
    return done.stderr


@pytest.mark.parametrize("command", ["versions", "timeseries"])
@pytest.mark.parametrize(("option", "value", "hint"), UNKNOWN)
def test_a_filter_by_an_unknown_name_ends_with_2(
    busy_server: ServerProcess, home: Path, command: str, option: str, value: str, hint: str
) -> None:
    said = told(busy_server, home, command, option, value)
    assert f'no requests recorded for {option[2:]} "{value}"' in said
    assert hint in said


def test_a_version_of_another_prompt_is_unknown(busy_server: ServerProcess, home: Path) -> None:
    assert "known: 1.0.0" in told(busy_server, home, "versions", "--prompt", TRACE, "--version", "1.1.0")


def test_known_names_without_a_request_together_are_no_mistake(
    busy_server: ServerProcess, home: Path
) -> None:
    env = {"COALMINE_SERVER_URL": busy_server.url, "COALMINE_TOKEN": busy_server.token}
    for chosen in (
        ("--environment", "staging"),
        ("--app", "replay", "--prompt", PROMPT),
        ("--until", "9000d"),
    ):
        done = coalmine("versions", *chosen, home=home, env=env)
        assert (done.returncode, "no matching requests" in done.stderr) == (0, True), done


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("readout", "nothing"), "there are none yet"),
        (("readout", "nothing", "--looks"), "there are none yet"),
        (("versions", "--by", "modle"), "give prompt, version, model"),
        (("versions", "--segment", "tier"), "give KEY=VALUE"),
        (("compare", PROMPT, "1.0", "1.1.0"), "did you mean 1.0.0?"),
        (("compare", PROMPT, "1.0.0", "1.1.0", "--segment", "tier"), "these requests have none"),
        (("explain", PROMPT, "--a", "1.0.0", "--b", "1.1.0", "--segment", "ap"), "did you mean app?"),
        (("experiment", "check", PROMPT[:-1]), f"did you mean {PROMPT}?"),
        (("experiment", "check", PROMPT, "--environment", "prd"), "did you mean prod?"),
        (("experiment", "check", PROMPT, "--days", "1", "--role", "zeal=signal"), "no metric 'zeal'"),
        (("experiment", "check", PROMPT, "--weights", "10%,120%"), "give a share between 0 and 1"),
        (("experiment", "check", PROMPT, "--min-time", "soon"), "write 90s, 15m, 2h"),
        (("drift", PROMPT, "--metric", "qualty"), "did you mean quality?"),
        (("drift", PROMPT, "--environment", "prd"), "did you mean prod?"),
    ],
)
def test_questions_about_what_is_not_there_end_with_2(
    busy_server: ServerProcess, home: Path, arguments: tuple[str, ...], hint: str
) -> None:
    assert hint in told(busy_server, home, *arguments)


def test_segments_over_time_are_refused_with_the_way_to_ask(busy_server: ServerProcess, home: Path) -> None:
    said = told(busy_server, home, "timeseries", "--segment", "tier=enterprise")
    for way in ("coalmine versions --segment", "coalmine explain", "coalmine compare", "docs/raw-rows.md"):
        assert way in " ".join(said.replace("│", " ").split())


def test_compare_and_explain_take_versions_alike(busy_server: ServerProcess, home: Path) -> None:
    env = {"COALMINE_SERVER_URL": busy_server.url, "COALMINE_TOKEN": busy_server.token}
    for command in ("compare", "explain"):
        ways = (("1.0.0", "1.1.0"), ("--a", "1.0.0", "--b", "1.1.0"), ("1.0.0", "--b", "1.1.0"))
        said = [coalmine(command, PROMPT, *way, "--json", home=home, env=env) for way in ways]
        assert [done.returncode for done in said] == [0, 0, 0], said
        assert len({done.stdout for done in said}) == 1
        twice = told(busy_server, home, command, PROMPT, "1.0.0", "1.1.0", "--a", "1.1.0")
        assert "A is given twice" in twice
        told(busy_server, home, command, PROMPT, "1.0.0")
