"""Trace files: what is read, and how precisely a bad one is refused."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.errors import InvalidTrace
from coalmine_simulator.trace_file import TraceRow, check_trace, prompt_name_of, read_trace

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = "2023-11-16 18:15:46.6805900,374,44\n"

WriteTrace = Callable[[str | bytes], Path]


@pytest.fixture
def write_trace(tmp_path: Path) -> WriteTrace:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "trace.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_seven_fractional_digits_are_read_to_the_microsecond(write_trace: WriteTrace) -> None:
    [row] = read_trace(write_trace(HEADER + "2023-11-16 18:15:46.6805907,374,44\n"))
    assert row == TraceRow(datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=UTC), 374, 44)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-16 18:15:46", datetime(2023, 11, 16, 18, 15, 46, tzinfo=UTC)),
        ("2023-11-16T18:15:46.5Z", datetime(2023, 11, 16, 18, 15, 46, 500_000, tzinfo=UTC)),
        ("2024-05-10 00:00:00.009930+00:00", datetime(2024, 5, 10, 0, 0, 0, 9930, tzinfo=UTC)),
        ("2023-11-16 18:15:46+02:00", datetime(2023, 11, 16, 16, 15, 46, tzinfo=UTC)),
    ],
)
def test_times_may_be_written_in_several_ways(write_trace: WriteTrace, text: str, expected: datetime) -> None:
    [row] = read_trace(write_trace(f"{HEADER}{text},1,2\n"))
    assert row.event_time == expected


def test_columns_may_stand_in_any_order_among_others(write_trace: WriteTrace) -> None:
    path = write_trace('GeneratedTokens,user,ContextTokens,TIMESTAMP\n44,"a, b",374,2023-11-16 18:15:46\n')
    [row] = read_trace(path)
    assert (row.input_tokens, row.output_tokens) == (374, 44)


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(write_trace: WriteTrace) -> None:
    text = "\ufeff" + (HEADER + GOOD + "\n" + GOOD).replace("\n", "\r\n")
    assert len(list(read_trace(write_trace(text)))) == 2


def test_a_gzipped_trace_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress((HEADER + GOOD).encode()))
    assert check_trace(path).rows == 1
    assert prompt_name_of(path) == "trace"


@pytest.mark.parametrize(
    ("name", "prompt"),
    [("azure_llm_trace_conv.csv", "azure_llm_trace_conv"), ("calls", "calls"), (".csv", "trace")],
)
def test_the_prompt_is_named_after_the_file(name: str, prompt: str) -> None:
    assert prompt_name_of(Path("/data") / name) == prompt


def test_the_summary_gives_exact_sums_and_the_ends_wherever_they_stand(write_trace: WriteTrace) -> None:
    rows = ["2023-11-16 12:00:00,10,1", "2023-11-16 11:00:00,20,2", "2023-11-16 13:00:00,30,3"]
    summary = check_trace(write_trace(HEADER + "\n".join(rows)))
    assert (summary.rows, summary.input_tokens, summary.output_tokens) == (3, 60, 6)
    assert summary.first_event_time == datetime(2023, 11, 16, 11, tzinfo=UTC)
    assert summary.last_event_time == datetime(2023, 11, 16, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        ("yesterday,374,44", "TIMESTAMP", "yesterday"),
        ("2023-11-16,374,44", "TIMESTAMP", "2023-11-16"),
        ("2023-02-30 10:00:00,374,44", "TIMESTAMP", "2023-02-30 10:00:00"),
        ("0001-01-01 00:00:00+05:00,1,1", "TIMESTAMP", "0001-01-01 00:00:00+05:00"),
        ("2023-11-16 18:15:46,-1,44", "ContextTokens", "-1"),
        ("2023-11-16 18:15:46,,44", "ContextTokens", ""),
        ("2023-11-16 18:15:46,1e3,44", "ContextTokens", "1e3"),
        ("2023-11-16 18:15:46,1_000,44", "ContextTokens", "1_000"),
        ("2023-11-16 18:15:46,٣,44", "ContextTokens", "٣"),
        ("2023-11-16 18:15:46,9223372036854775808,44", "ContextTokens", "9223372036854775808"),
        ("2023-11-16 18:15:46,374,44.0", "GeneratedTokens", "44.0"),
    ],
)
def test_a_bad_cell_is_named_with_line_column_and_value(
    write_trace: WriteTrace, row: str, column: str, value: str
) -> None:
    path = write_trace(f"{HEADER}{GOOD}{row}\n{GOOD}")
    with pytest.raises(InvalidTrace) as caught:
        check_trace(path)
    error = caught.value
    assert (error.file, error.line, error.column, error.value) == (str(path), 3, column, value)
    assert error.remedy.endswith("or remove the row.")


def test_the_line_is_the_file_s_own_even_after_a_cell_with_line_breaks(write_trace: WriteTrace) -> None:
    path = write_trace(f'note,{HEADER}"two\nlines",{GOOD}x,soon,1,1\n')
    with pytest.raises(InvalidTrace) as caught:
        check_trace(path)
    assert caught.value.line == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (HEADER, "it has no row below the header"),
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,1\n", "line 1, column GeneratedTokens"),
        ("TIMESTAMP,TIMESTAMP,ContextTokens,GeneratedTokens\n", "the header has it twice"),
        (HEADER + "2023-11-16 18:15:46,1\n", "line 2: the row has 2 cells where the header has 3"),
        (HEADER + "2023-11-16 18:15:46,1,2,3\n", "line 2: the row has 4 cells where the header has 3"),
        (HEADER.encode() + b"2023-11-16 18:15:46,\xff,1\n", "is not UTF-8"),
        (HEADER + "x" * 200_000 + ",1,2\n", "line 2: not CSV"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_the_reason(
    write_trace: WriteTrace, content: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidTrace, match=message):
        check_trace(write_trace(content))


def test_a_missing_file_a_folder_and_a_cut_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrace, match="there is no such file"):
        check_trace(tmp_path / "absent.csv")
    with pytest.raises(InvalidTrace, match="not a regular file"):
        check_trace(tmp_path)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEADER + GOOD * 100).encode())[:-12])
    with pytest.raises(InvalidTrace, match="cannot be read"):
        check_trace(cut)


ROWS = st.lists(
    st.tuples(
        st.datetimes(timezones=st.just(UTC)),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**63 - 1),
    ),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.permutations(["TIMESTAMP", "ContextTokens", "GeneratedTokens", "note"]))
def test_whatever_is_written_is_read_back_exactly(
    rows: list[tuple[datetime, int, int]], order: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, order)
            writer.writeheader()
            for time, context, generated in rows:
                text = time.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds") + "7"
                writer.writerow(
                    {
                        "TIMESTAMP": text,
                        "ContextTokens": context,
                        "GeneratedTokens": generated,
                        "note": 'a,"b',
                    }
                )
        assert [(row.event_time, row.input_tokens, row.output_tokens) for row in read_trace(path)] == rows
        summary = check_trace(path)
    assert summary.input_tokens == sum(context for _, context, _ in rows)
    assert summary.last_event_time - summary.first_event_time >= timedelta(0)


@given(st.binary(max_size=300))
def test_any_bytes_are_either_a_trace_or_refused(noise: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        path.write_bytes(HEADER.encode() + noise)
        try:
            assert check_trace(path).rows >= 1
        except InvalidTrace as error:
            assert str(path) in str(error)
