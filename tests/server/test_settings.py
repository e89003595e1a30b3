"""Settings: precedence, unknown keys, origins, secrets."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.client_variables import CLIENT_VARIABLES
from coalmine_schemas.ranges import DEFAULT_RANGES
from coalmine_server.errors import ConfigurationError, UnknownSetting
from coalmine_server.settings import SETTING_KEYS, LoadedSettings, load_settings, setting_rows

INTEGERS = [
    "kafka.partitions",
    "server.query_threads",
    "ingest.live_messages",
    "store.seal_rows",
    "retention.minute_days",
]
"""Settings that take any integer from 1 to 60."""

VARIABLES = {key.name: key.variable for key in SETTING_KEYS}
_ADDRESSES = [
    key.name
    for key in SETTING_KEYS
    # A database, a list for the client of Confluent, a secret.
    if key.name.endswith("url")
    and key.name not in ("registry.url", "schema.registry_url", "alerts.slack_webhook_url")
]


def load(
    directory: Path,
    *,
    overrides: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    toml: str | None = None,
) -> LoadedSettings:
    """Loads as the command would, with nothing from this machine."""
    if toml is not None:
        (directory / "coalmine.toml").write_text(toml, encoding="utf-8")
    else:
        (directory / "coalmine.toml").unlink(missing_ok=True)
    home = {"COALMINE_HOME": str(directory / "home")}
    return load_settings(overrides, environ={**home, **(environ or {})}, directory=directory)


def effective(loaded: LoadedSettings, name: str) -> object:
    return next(row.value for row in setting_rows(loaded) if row.name == name)


values = st.none() | st.integers(min_value=1, max_value=60)


@given(name=st.sampled_from(INTEGERS), line=values, variable=values, file=values)
def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    line: int | None,
    variable: int | None,
    file: int | None,
) -> None:
    directory = tmp_path_factory.mktemp("settings")
    table, key = name.split(".")
    default = effective(load(directory), name)
    loaded = load(
        directory,
        overrides={name: line},
        environ={} if variable is None else {VARIABLES[name]: str(variable)},
        toml=None if file is None else f"[{table}]\n{key} = {file}\n",
    )
    expected = [
        (line, "command line"),
        (variable, f"environment ({VARIABLES[name]})"),
        (file, f"file ({directory / 'coalmine.toml'})"),
        (default, "default"),
    ]
    value, origin = next(pair for pair in expected if pair[0] is not None)
    assert effective(loaded, name) == value
    assert str(loaded.origins[name]) == origin


@given(
    name=st.sampled_from(sorted(VARIABLES.values())),
    place=st.integers(min_value=0, max_value=60),
    letter=st.sampled_from("QXZ"),
)
def test_a_misspelt_variable_is_refused_with_the_right_one_as_a_hint(
    name: str, place: int, letter: str
) -> None:
    body = name.removeprefix("COALMINE_")
    cut = place % (len(body) + 1)
    misspelt = f"COALMINE_{body[:cut]}{letter}{body[cut:]}"
    if misspelt in VARIABLES.values() or misspelt.startswith("COALMINE_TEST_"):
        return
    with pytest.raises(UnknownSetting) as caught:
        load_settings(environ={misspelt: "1"}, directory=Path("/nonexistent"))
    assert caught.value.key == misspelt
    assert caught.value.nearest is not None


def test_the_hint_for_a_typing_error_is_the_setting_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UnknownSetting, match=r"COALMINE_KAFKA_BOOTSTRAP_SERVER in the environment") as caught:
        load(tmp_path, environ={"COALMINE_KAFKA_BOOTSTRAP_SERVER": "localhost:9092"})
    assert caught.value.nearest == "COALMINE_KAFKA_BOOTSTRAP_SERVERS"
    with pytest.raises(UnknownSetting) as caught:
        load(tmp_path, toml='[kafka]\nbootstrap_server = "localhost:9092"\n')
    assert (caught.value.key, caught.value.nearest) == ("kafka.bootstrap_server", "kafka.bootstrap_servers")
    with pytest.raises(UnknownSetting) as caught:
        load(tmp_path, toml="[kafkas]\n")
    assert (caught.value.key, caught.value.nearest) == ("kafkas", "kafka")


def test_a_key_at_the_top_of_the_file_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownSetting, match="unknown setting hom in"):
        load(tmp_path, toml='hom = "/tmp"\n')


def test_a_value_where_a_table_belongs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"kafka must be a table"):
        load(tmp_path, toml='kafka = "localhost:9092"\n')


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ("[retention]\nraw_days = -1\n", "retention.raw_days"),
        ("[readout.experiments.tone]\nmetrics = 3\n", "readout.experiments.tone.metrics"),
    ],
)
def test_an_invalid_value_within_a_setting_is_told_with_its_origin(
    tmp_path: Path, toml: str, name: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(name)) as caught:
        load(tmp_path, toml=toml)
    assert all(", from file (" in line for line in str(caught.value).splitlines()[1:])


def test_variables_of_the_client_are_known(tmp_path: Path) -> None:
    load(
        tmp_path,
        environ=dict.fromkeys(CLIENT_VARIABLES, "") | {"COALMINE_APP": "bot", "COALMINE_UNIT_IDS": "hashed"},
    )


def test_variables_of_the_test_suite_are_none_of_our_business(tmp_path: Path) -> None:
    load(tmp_path, environ={"COALMINE_TEST_KAFKA": "localhost:9092"})


def test_a_wrong_value_names_the_setting_and_its_origin_but_not_the_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={"COALMINE_SERVER_PORT": "s3cr3t-typed-in-the-wrong-place"})
    assert "server.port" in str(caught.value)
    assert "COALMINE_SERVER_PORT" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "like"),
    [
        ("readout.segments", "country, plan", '["first", "second"]'),
        ("readout.metrics", "{'cost': 1}", '{"key": "value"}'),
    ],
)
def test_a_variable_that_is_no_json_is_named_with_its_value_and_how_to_write_it(
    tmp_path: Path, name: str, text: str, like: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, environ={VARIABLES[name]: text})
    said = str(refused.value)
    assert said.startswith(f"{VARIABLES[name]} is not valid JSON")
    assert repr(text) in said
    assert f"write it like {like}" in said
    assert f"set {name} in coalmine.toml" in said


def test_a_fifth_segment_stops_the_start(tmp_path: Path) -> None:
    keys = ["plan", "language", "region", "device"]
    assert load(tmp_path, environ={"COALMINE_READOUT_SEGMENTS": json.dumps(keys)}).settings.readout.segments
    with pytest.raises(ConfigurationError, match=r"segments has 5 keys, .* keep at most 4"):
        load(tmp_path, environ={"COALMINE_READOUT_SEGMENTS": json.dumps([*keys, "age"])})


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"COALMINE_KAFKA_BOOTSTRAP_SERVERS": ""})
    assert loaded.settings.kafka.bootstrap_servers is None
    assert loaded.origins["kafka.bootstrap_servers"].kind == "default"


def test_empty_text_in_the_file_is_no_path_and_no_address(tmp_path: Path) -> None:
    sections = '[spool]\ndir = ""\n[spark]\ndir = ""\n[registry]\nurl = ""\n[kafka]\ntopic_prefix = ""\n'
    loaded = load(tmp_path, toml='home = ""\n' + sections)
    found = loaded.settings
    assert found.spool_dir == found.home / "spool"
    assert (found.spark.dir, found.registry.url) == (None, None)
    assert loaded.origins["spool.dir"].kind == "default"
    assert found.kafka.topic_prefix == ""
    loaded = load_settings(environ={"HOME": str(tmp_path)}, directory=tmp_path)
    assert loaded.settings.home == Path("~/.coalmine").expanduser()


def test_a_broken_file_is_said_to_be_broken(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load(tmp_path, toml="[kafka\n")
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_settings(config=tmp_path / "missing.toml", environ={})
    with pytest.raises(ConfigurationError, match="is not a file"):
        load_settings(config=tmp_path, environ={})


def test_the_file_in_the_working_directory_goes_before_the_one_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "coalmine.toml").write_text("[server]\nport = 1111\n", encoding="utf-8")
    assert load(tmp_path).settings.server.port == 1111
    assert load(tmp_path, toml="[server]\nport = 2222\n").settings.server.port == 2222
    named = tmp_path / "named.toml"
    named.write_text("[server]\nport = 3333\n", encoding="utf-8")
    assert load(tmp_path, environ={"COALMINE_CONFIG": str(named)}).settings.server.port == 3333


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, environ={"COALMINE_TOKEN": "s3cr3t-1", "COALMINE_KAFKA_SASL_PASSWORD": "s3cr3t-2"}
    )
    shown = (
        json.dumps([row.value for row in setting_rows(loaded)]) + repr(loaded.settings) + str(loaded.settings)
    )
    assert "s3cr3t" not in shown
    assert effective(loaded, "token") == effective(loaded, "kafka.sasl_password") == "********"


def test_every_setting_can_be_set_by_file_and_by_variable_and_is_documented(tmp_path: Path) -> None:
    samples: dict[str, object] = {}
    for row in setting_rows(load(tmp_path)):
        assert row.description, f"{row.name} says nothing about itself"
        samples[row.name] = {
            "kafka.security_protocol": "SSL",
            "kafka.sasl_mechanism": "PLAIN",
            "log.level": "debug",
            "log.format": "json",
            "server.trusted_proxies": "10.0.0.1",
            **dict.fromkeys(_ADDRESSES, "https://host:8321/below/"),
            "events.feedback_link_key": "k" * 32,
            "events.feedback_link_origins": "https://app.example.com,http://localhost:3000",
            "oidc.issuer": "https://id.example.com",
            "oidc.roles": {"writers": "author"},
            "oidc.prompts": {"writers": ["support.*"]},
            "oidc.algorithms": ["EdDSA"],
            "readout.segments": ["plan", "language"],
            "alerts.slack_users": {"U1": "dana"},
            "drift.special_days": ["2026-12-24", "2026-12-31/2027-01-02"],
            "retention.rollup_days": 7,
            "kafka.replication_factor": 1,
            "readout.metrics": {"quality": {"role": "shown"}},
            "readout.experiments": {"tone": {"control": "old"}},
        }.get(row.name, row.value if isinstance(row.value, bool | int | float) else "/x")
    for name, sample in samples.items():
        written = json.dumps(sample).replace(": ", " = ")
        *table, key = name.split(".")
        toml = (f"[{table[0]}]\n" if table else "") + f"{key} = {written}\n"
        assert tomllib.loads(toml)
        by_file = load_settings(environ={}, config=_write(tmp_path, toml))
        by_variable = load_settings(
            environ={VARIABLES[name]: json.dumps(sample) if isinstance(sample, dict | list) else str(sample)},
            directory=tmp_path / "empty",
        )
        assert by_file.origins[name].kind == "file"
        assert by_variable.origins[name].kind == "environment"
        assert effective(by_file, name) == effective(by_variable, name)


def _write(directory: Path, toml: str) -> Path:
    file = directory / "one.toml"
    file.write_text(toml, encoding="utf-8")
    return file


def test_how_long_to_keep_is_days_or_forever(tmp_path: Path) -> None:
    assert (
        load(tmp_path, environ={"COALMINE_RETENTION_RAW_DAYS": "forever"}).settings.retention.raw_days
        == "forever"
    )
    assert load(tmp_path, environ={"COALMINE_RETENTION_RAW_DAYS": "3"}).settings.retention.raw_days == 3
    with pytest.raises(ConfigurationError, match=r"retention\.raw_days"):
        load(tmp_path, environ={"COALMINE_RETENTION_RAW_DAYS": "never"})


def test_metrics_and_experiments_are_described_in_tables_of_their_own(tmp_path: Path) -> None:
    toml = (
        "[readout.metrics.zeal]\ndirection = 'higher'\nmargin = '3%'\ntolerance = 0.01\nrange = [0, 10]\n"
        "[readout.experiments.tone]\ngoals = ['zeal']\nweights = { old = 9, new = 1 }\n"
    )
    readout = load(tmp_path, toml=toml).settings.readout
    zeal = readout.metrics["zeal"]
    assert readout.ranges == {**DEFAULT_RANGES, "zeal": (0, 10)}
    assert set(DEFAULT_RANGES.values()) == {(0, 1)}
    assert zeal.margin is not None
    assert zeal.margin.value == pytest.approx(0.03)
    assert zeal.margin.relative
    assert zeal.tolerance is not None
    assert (zeal.tolerance.value, zeal.tolerance.relative) == (0.01, False)
    assert readout.experiments["tone"].weights == {"old": 9, "new": 1}
    for wrong, complaint in (
        ("[readout.metrics.zeal]\nmargin = 'x%'\n", "write 0.02"),
        ("[readout.metrics.zeal]\nmargn = 1\n", "margn"),
        ("[readout.metrics.zeal]\nrange = [1, 0]\n", "no range"),
        ("[readout.metrics.zeal]\nrange = [0, nan]\n", "no range"),
        ("[readout.experiments.tone]\nalpha = 2\n", "alpha"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            load(tmp_path, toml=wrong)


@pytest.mark.parametrize("amount", ["inf", "nan"])
def test_a_budget_without_end_is_none(tmp_path: Path, amount: str) -> None:
    with pytest.raises(ConfigurationError, match="budget_usd_per_day"):
        load(tmp_path, toml=f"[evals]\nbudget_usd_per_day = {amount}\n")


ADDRESSES = [
    ("COALMINE_TOKEN", '[server]\nurl = "http://evil"', "COALMINE_SERVER_URL"),
    ("COALMINE_TOKEN", 'home = "evil"', "COALMINE_HOME"),
    (
        "COALMINE_KAFKA_SASL_PASSWORD",
        '[kafka]\nbootstrap_servers = "evil:1"',
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS",
    ),
    (
        "COALMINE_KAFKA_SASL_PASSWORD",
        '[kafka]\nsecurity_protocol = "PLAINTEXT"',
        "COALMINE_KAFKA_SECURITY_PROTOCOL",
    ),
]


@pytest.mark.parametrize(("secret", "content", "remedy"), ADDRESSES)
def test_a_file_that_lies_in_the_directory_does_not_say_where_a_secret_goes(
    tmp_path: Path, secret: str, content: str, remedy: str
) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    for directory in (checkout, home):
        directory.mkdir()
        (directory / "coalmine.toml").write_text(content, encoding="utf-8")
    environ = {secret: "s3cr3t", "COALMINE_HOME": str(home)}
    if not content.startswith("home"):
        with pytest.raises(ConfigurationError, match=remedy) as caught:
            load_settings(environ=environ, directory=checkout)
        assert "s3cr3t" not in str(caught.value)
    else:
        with pytest.raises(ConfigurationError, match=remedy):
            load_settings(environ={secret: "s3cr3t"}, directory=checkout)
    # The user's own file may, and so may one that the user names.
    load_settings(environ=environ, directory=tmp_path)
    load_settings(environ=environ, config=checkout / "coalmine.toml")
    load_settings(environ={"COALMINE_HOME": str(home)}, directory=checkout)


def test_what_kubernetes_sets_for_services_of_our_name_is_ignored_and_said(tmp_path: Path) -> None:
    platform = {
        f"COALMINE{service}_{name}": value
        for service in ("", "_SERVER", "_DASHBOARD", "_KAFKA", "_SCHEMA_REGISTRY", "_X_Y")
        for name, value in {
            "PORT": "tcp://10.0.0.1:8321",
            "SERVICE_HOST": "10.0.0.1",
            "SERVICE_PORT": "8321",
            "SERVICE_PORT_HTTP": "8321",
            "PORT_8321_TCP": "tcp://10.0.0.1:8321",
            "PORT_8321_TCP_PROTO": "tcp",
            "PORT_8321_TCP_PORT": "8321",
            "PORT_8321_TCP_ADDR": "10.0.0.1",
            "PORT_53_UDP": "udp://10.0.0.1:53",
        }.items()
    }
    loaded = load_settings(environ={**platform, "COALMINE_HOME": str(tmp_path)}, directory=tmp_path)
    assert loaded.settings.server.port == 8321
    assert loaded.origins["server.port"].kind == "default"
    assert loaded.ignored == tuple(sorted(platform))
    own = load_settings(environ={"COALMINE_SERVER_PORT": "9000"}, directory=tmp_path)
    assert (own.settings.server.port, own.ignored) == (9000, ())
    with pytest.raises(UnknownSetting):
        load_settings(environ={"COALMINE_PORT": "8000"}, directory=tmp_path)


def test_passwords_in_urls_are_masked_where_settings_are_shown(tmp_path: Path) -> None:
    environ = {
        "COALMINE_SCHEMA_REGISTRY_URL": "https://user:s3cr3t@registry:8081",
        "COALMINE_HOME": str(tmp_path),
    }
    shown = [row.value for row in setting_rows(load_settings(environ=environ, directory=tmp_path))]
    assert "s3cr3t" not in str(shown)
    assert "registry:8081" in str(shown)


def test_proxies_are_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.trusted_proxies"):
        load_settings(environ={"COALMINE_SERVER_TRUSTED_PROXIES": "10.0.0.1,*"}, directory=tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "host:8321",
        "http://",
        "http://[::1",
        "http://host:port",
        "http://host:99999",
        "ftp://host",
        "http://a b",
    ],
)
def test_an_address_of_http_is_one(tmp_path: Path, url: str) -> None:
    for name in _ADDRESSES:
        with pytest.raises(ConfigurationError, match="write http://HOST:PORT") as caught:
            load_settings(environ={VARIABLES[name]: url}, directory=tmp_path)
        assert name in str(caught.value)
        load_settings(environ={VARIABLES[name]: "http://[::1]:8321"}, directory=tmp_path)
