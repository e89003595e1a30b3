import pickle

from coalmine_schemas.errors import Terminal
from coalmine_simulator.errors import InvalidConfig, InvalidTrace, SimulatorError


def test_every_refusal_is_terminal() -> None:
    assert issubclass(SimulatorError, Terminal)


def test_a_bad_setting_says_where_what_and_what_would_be_right() -> None:
    error = InvalidConfig("error_rate", 1.5, "a share between 0 and 1").within("prompts[0].versions[1]")
    assert str(error) == "prompts[0].versions[1].error_rate is 1.5; expected a share between 0 and 1"


def test_a_bad_trace_says_file_line_column_value_and_remedy() -> None:
    error = InvalidTrace("t.csv", "not a time", "Correct it.", line=4, column="TIMESTAMP", value="soon")
    assert str(error) == "t.csv, line 4, column TIMESTAMP: 'soon': not a time. Correct it."


def test_a_long_value_is_shortened_in_the_message_and_kept_in_the_error() -> None:
    error = InvalidTrace("t.csv", "not a time", "Correct it.", line=4, column="TIMESTAMP", value="x" * 500)
    assert len(str(error)) < 200
    assert error.value == "x" * 500


def test_errors_survive_pickling_whole() -> None:
    bad_trace = InvalidTrace("t.csv", "not a time", "Correct it.", line=4, column="TIMESTAMP", value="soon")
    again = pickle.loads(pickle.dumps(bad_trace))
    assert (str(again), again.line, again.column, again.value) == (str(bad_trace), 4, "TIMESTAMP", "soon")
    bad_config = pickle.loads(pickle.dumps(InvalidConfig("users", 0, "at least 1")))
    assert (bad_config.key, bad_config.value, bad_config.expected) == ("users", 0, "at least 1")
