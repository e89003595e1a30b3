"""The command: help, exit codes, clean output, and a quick start."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from coalmine_server.cli.app import app
from coalmine_server.cli.main import _EXTRA_OF_MODULE, main
from coalmine_server.cli.named_file import named_path
from tests.support.doubles.small_disk import make_read_only, mounted_disk
from tests.support.processes.coalmine_process import COMMAND, coalmine, coalmine_json, environment
from tests.support.repository.tree import ROOT

HEAVY = [
    "duckdb",
    "fastapi",
    "pyarrow",
    "pydantic",
    "uvicorn",
    "streamlit",
    "polars",
    "confluent_kafka",
    "httpx2",
]


def commands() -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command with the words that call it."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        if isinstance(command, TyperGroup):
            waiting += [((*words, name), sub) for name, sub in command.commands.items()]


ALL: dict[tuple[str, ...], object] = dict(commands())


def test_every_path_is_refused_if_it_is_empty() -> None:
    """As of a variable that is not set: it would be the working directory."""
    paths = {
        (*words, parameter.name): parameter.type_descriptor.parameter_info.parser
        for words, command in ALL.items()
        for parameter in command.params  # type: ignore[attr-defined]
        if "pathlib.Path" in str(parameter.type_descriptor.annotation)
    }
    assert ("apply", "directory") in paths
    assert {place for place, parser in paths.items() if parser is not named_path} == set()


@pytest.mark.parametrize("words", sorted(ALL), ids=" ".join)
def test_help_describes_the_command_and_every_option(words: tuple[str, ...], home: Path) -> None:
    result = coalmine(*words, "--help", home=home)
    assert result.returncode == 0
    command = ALL[words]
    assert command.help, f"{words} says nothing about itself"  # type: ignore[attr-defined]
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stdout).split())
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.name in ("help", "install_completion", "show_completion"):
            continue
        assert parameter.help, f"{words}: {parameter.name} is not documented"
        if parameter.hidden:  # it only says why it cannot be
            continue
        assert parameter.help.split(":")[0].split(";")[0][:20] in text, parameter.name


def test_help_of_a_group_shows_the_first_lines_of_its_commands(home: Path) -> None:
    """They are written twice, so that help need not import the commands."""
    for words, command in ALL.items():
        if isinstance(command, TyperGroup):
            shown = coalmine(*words, "--help", home=home, env={"COLUMNS": "200"}).stdout
            text = " ".join(shown.split())
            for name, inner in command.commands.items():
                assert " ".join(f"{name} {inner.help}".split("\n\n")[0].split()) in text, (words, name)


def test_help_names_the_exit_codes(home: Path) -> None:
    text = " ".join(coalmine("--help", home=home).stdout.split())
    for code in ("0 done", "1 a check failed", "2 an option", "3 no server"):
        assert code in text


def test_help_loads_nothing_heavy(home: Path) -> None:
    program = (
        "import sys\n"
        "sys.argv = ['coalmine', '--help']\n"
        "from coalmine_server.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment(home), capture_output=True, text=True, check=False
    )
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("typer", ["--help"], "server"),
        ("duckdb", ["versions"], "server"),
        ("pydantic", ["settings", "show"], "server"),
        ("streamlit", ["dashboard"], "dashboards"),
        ("sqlalchemy", ["alerts", "list"], "server"),
        ("regex", ["suite", "check", "."], "server"),
    ],
)
def test_a_missing_extra_is_named(home: Path, missing: str, arguments: list[str], extra: str) -> None:
    home.mkdir()
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['coalmine', *{arguments!r}]\n"
        "from coalmine_server.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(home, {"COALMINE_DASHBOARD_PORT": "0"}),
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    assert result.returncode == 2
    assert f"pip install 'coalmine[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_extra_is_known_of_each_module_that_the_commands_may_miss() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        line
        for extra in ("cli", "prompts", "server", "evals", "kafka", "dashboards", "mcp")
        for line in extras["optional-dependencies"][extra]
    ]
    wanted = {re.split(r"[\[<>=]", line)[0].lower() for line in lines} - {"coalmine", "httpx2"}
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(distribution.lower().replace("_", "-"), set()).add(module)
    assert {name for name in wanted if not modules[name] & set(_EXTRA_OF_MODULE)} == set()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["versionz"], "versions"),
        (["versions", "--promt", "x"], "--prompt"),
        (["versions", "--since", "yesterday"], "'yesterday' is not a time"),
        (["versions", "--since", "1h", "--until", "2h"], "since must be before until"),
        (["token", "create", "a b"], "subject is 'a b'"),
        (["token", "revoke", "nobody"], "no valid token of 'nobody'"),
        (["dead-letters", "replay"], "say which"),
        (["dead-letters", "show", "01a00000-0000-7000-8000-000000000000"], "no dead letter"),
        (["replay", "missing.csv"], "missing.csv"),
        (["pull", ""], "is empty: name a path"),
        (["replay", "missing.csv", "--speed", "fast"], "speed"),
        (["simulate", "--scenario", "doom"], "doom"),
        (["serve", "--port", "70000"], "port"),
        (["--config", "missing.toml", "versions"], "missing.toml"),
    ],
)
def test_a_mistake_in_use_exits_with_two_and_says_what_to_do(
    home: Path, arguments: list[str], says: str
) -> None:
    result = coalmine(*arguments, home=home)
    assert result.returncode == 2, result.stderr
    assert says in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_an_unknown_setting_is_named_with_the_nearest(home: Path) -> None:
    result = coalmine("versions", home=home, env={"COALMINE_KAFKA_BOOTSTRAP_SERVER": "x:1"})
    assert result.returncode == 2
    assert "COALMINE_KAFKA_BOOTSTRAP_SERVER " in result.stderr
    assert "did you mean COALMINE_KAFKA_BOOTSTRAP_SERVERS?" in result.stderr
    (home / "coalmine.toml").write_text("[kafka]\nbootstrap_server = 'x:1'\n", encoding="utf-8")
    result = coalmine("versions", home=home)
    assert result.returncode == 2
    assert "kafka.bootstrap_servers" in result.stderr


def test_settings_show_says_what_is_in_effect_and_why(home: Path) -> None:
    home.mkdir()
    (home / "coalmine.toml").write_text(
        '[server]\nport = 9000\n[kafka]\nsasl_password = "s3cr3t"\n', encoding="utf-8"
    )
    env = {"COALMINE_KAFKA_GROUP_ID": "mine", "COALMINE_TOKEN": "s3cr3t-too"}
    document = coalmine_json("--log-level", "debug", "settings", "show", home=home, env=env)
    rows = {row["name"]: (row["value"], row["origin"].split(" (")[0]) for row in document["settings"]}
    assert rows["server.port"] == (9000, "file")
    assert rows["kafka.group_id"] == ("mine", "environment")
    assert rows["log.level"] == ("debug", "command line")
    assert rows["server.host"] == ("127.0.0.1", "default")
    assert rows["token"] == ("********", "environment")
    plain = coalmine("settings", "show", "--describe", home=home, env=env)
    assert "s3cr3t" not in plain.stdout + plain.stderr + json.dumps(document)
    assert "9000" in plain.stdout


def test_a_token_is_shown_once(home: Path) -> None:
    created = coalmine("token", "create", "grafana", home=home)
    token = created.stdout.strip()
    assert token.startswith("cm_")
    listed = coalmine("token", "list", home=home)
    assert "grafana" in listed.stdout
    assert token not in listed.stdout
    other = coalmine("token", "create", "grafana", "--role", "author", home=home).stdout.strip()
    assert other.startswith("cm_")
    assert other != token  # one may have several, each with its role
    assert coalmine("token", "create", "a", "--subject", "b", home=home).returncode == 2


def test_output_into_a_closed_pipe_is_no_fault(home: Path) -> None:
    home.mkdir()
    piped = subprocess.run(
        ["/bin/sh", "-c", '"$0" "$@" | true', *COMMAND, "settings", "show", "--json"],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in piped.stderr
    assert "BrokenPipe" not in piped.stderr


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(home: Path, streams: str) -> None:
    home.mkdir()
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"$0" "$@" {streams}', *COMMAND, "metrics", "--json"],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said_in_one_line(home: Path) -> None:
    home.mkdir()
    ended = subprocess.run(
        ["/bin/sh", "-c", '"$0" "$@" >/dev/full', *COMMAND, "metrics", "--json"],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.startswith("coalmine: the disk is full: ")
    assert "Traceback" not in ended.stderr


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mounted_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        for home, named in (("file", "file"), ("file/home", "file"), ("disk/home", "disk/home")):
            refused = coalmine("--home", str(tmp_path / home), "versions", home=tmp_path)
            assert refused.returncode == 2
            assert refused.stderr.startswith(f"coalmine: {tmp_path / named}: ")
            assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("option", ["--home", "--config"])
def test_a_place_without_a_name_is_not_the_working_directory(home: Path, option: str) -> None:
    refused = coalmine(option, "", "versions", home=home)
    assert (refused.returncode, "is empty" in refused.stderr) == (2, True)


def test_tables_are_not_cut_in_a_pipe(home: Path) -> None:
    result = coalmine("settings", "show", home=home, env={"COLUMNS": "20"})
    assert "retention.dead_letter_days" in result.stdout


def test_version_is_that_of_the_distribution(home: Path) -> None:
    assert re.fullmatch(r"coalmine \d+\.\d+\.\d+\n", coalmine("--version", home=home).stdout)


@pytest.mark.parametrize("error", [ZeroDivisionError("in a sum"), ModuleNotFoundError("No module", name="x")])
def test_a_fault_of_ours_has_an_exit_code_that_is_no_answer(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault() -> None:
        raise error

    monkeypatch.setattr("coalmine_server.cli.app.app", fault)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 70
    assert capsys.readouterr().err.endswith(f"{type(error).__name__}: {error}\n")
