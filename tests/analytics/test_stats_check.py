"""Our engine over files of cumulative statistics."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.ratio import arm_mean
from coalmine_analytics.stats_check import check
from coalmine_analytics.stats_file import REQUIRED, InvalidFile, read_statistics, write_checked
from coalmine_schemas.errors import InvalidParameter

HEADER = list(REQUIRED)
Row = list[object]


def write(path: Path, rows: list[Row], header: list[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([header or HEADER, *rows])
    return path


def series(name: str, effect: float, seed: int, looks: int = 20, per_look: int = 50) -> list[Row]:
    """Cumulative statistics of two arms of normal values."""
    rng = np.random.default_rng(seed)
    c, t = rng.normal(5, 1, looks * per_look), rng.normal(5 + effect, 1, looks * per_look)
    sizes = [per_look * (look + 1) for look in range(looks)]
    return [
        ["exp", "b", name, look, n, n, c[:n].mean(), t[:n].mean(), c[:n].var(ddof=1), t[:n].var(ddof=1)]
        for look, n in enumerate(sizes)
    ]


def checked(path: Path, out: Path) -> list[dict[str, str]]:
    read = read_statistics(path)
    write_checked(out, read, check(read.looks))
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_keep_their_order_and_cells_whatever_the_order_of_time(tmp_path: Path) -> None:
    rows = series("a", 0.0, 1) + series("b", 0.6, 2)
    sorted_out = checked(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    order = np.random.default_rng(3).permutation(len(rows)).tolist()
    mixed = checked(write(tmp_path / "mixed.csv", [rows[at] for at in order]), tmp_path / "mixed-out.csv")
    assert mixed == [sorted_out[at] for at in order]
    assert [[row[name] for name in HEADER] for row in sorted_out] == [
        [str(cell) for cell in row] for row in rows
    ]
    assert list(sorted_out[0]) == [*HEADER, "estimate", "lower", "upper", "p", "verdict"]


def test_answers_are_those_of_the_core_with_the_width_of_the_first_row(tmp_path: Path) -> None:
    rows = series("a", 0.3, 4)
    found = checked(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    n, mean_c, mean_t, v_c, v_t = (np.array([row[at] for row in rows], float) for at in (4, 6, 7, 8, 9))
    mde = 0.2 * np.sqrt(((n[0] - 1) * v_c[0] + (n[0] - 1) * v_t[0]) / (2 * n[0] - 2))
    effect = difference(arm_mean(n, mean_t, v_t), arm_mean(n, mean_c, v_c))
    lower, upper = confidence_sequence(effect, mde=mde)
    p = np.minimum.accumulate(np.minimum(1.0, np.exp(-log_e_value(effect, mde=mde))))
    for name, ours in {"estimate": mean_t - mean_c, "lower": lower, "upper": upper, "p": p}.items():
        np.testing.assert_allclose([float(row[name]) for row in found], ours, rtol=1e-12)


def test_a_verdict_latches_and_the_interval_is_the_current_one(tmp_path: Path) -> None:
    rows: list[Row] = [
        ["e", "v", "m", look, 400, 400, 1.0, mean, 1.0, 1.0] for look, mean in enumerate((1, 2, 1))
    ]
    found = checked(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert [row["verdict"] for row in found] == [
        "no difference shown",
        "treatment higher",
        "treatment higher",
    ]
    assert float(found[2]["lower"]) < 0 < float(found[2]["upper"])
    assert found[2]["p"] == found[1]["p"]


def test_too_few_units_give_no_p_and_an_infinite_interval(tmp_path: Path) -> None:
    rows: list[Row] = [
        ["e", "v", "m", 1, 29, 500, 1.0, 9.0, 1.0, 1.0],
        ["e", "v", "m", 2, 1, 0, 1.0, "", "", ""],
    ]
    rows.append(["e", "v", "constant", 1, 500, 500, 1.0, 1.0, 0.0, 0.0])
    for row in checked(write(tmp_path / "in.csv", rows), tmp_path / "out.csv"):
        assert (row["lower"], row["upper"], row["p"]) == ("-inf", "inf", "")
        assert row["verdict"] == "not enough data"


def test_equal_arms_are_told_apart_at_most_as_often_as_stated() -> None:
    rng = np.random.default_rng(5)
    runs, looks, n = 300, 60, 40 * np.arange(1, 61)
    arms = rng.binomial(40, 0.2, (2, runs, looks)).cumsum(axis=-1) / n
    effect = difference(*(arm_mean(n, arm, arm * (1 - arm) * n / (n - 1)) for arm in arms))
    alarms = (log_e_value(effect, mde=0.08).max(axis=1) >= np.log(20)).sum()
    assert stats.binomtest(int(alarms), runs, 0.05, "greater").pvalue > 0.001
    peeking = (np.abs(effect.estimate / effect.standard_error) > 1.96).any(axis=1).mean()
    assert peeking >= 0.25  # the control that must fail


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("count_c", "many", "give a number"),
        ("count_t", "-3", "0 or more"),
        ("count_t", "1.5", "number of units"),
        ("mean_t", "inf", "give the mean"),
        ("variance_t", "-1", "0 or more"),
        ("time_since_start", "inf", "time of the look"),
    ],
)
def test_a_wrong_value_is_named_with_file_line_column_and_remedy(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    rows = series("a", 0.0, 1)
    rows[2][HEADER.index(column)] = value
    with pytest.raises(InvalidFile) as raised:
        read_statistics(write(tmp_path / "in.csv", rows))
    text = str(raised.value)
    assert f"in.csv, line 4, column {column}: " in text
    assert said in text
    assert value in text


@pytest.mark.parametrize("empty", ["", "NA", "nan", "null"])
@pytest.mark.parametrize(
    "column", [name for name in HEADER if name not in ("experiment_id", "variant_id", "metric_id")]
)
def test_a_row_with_an_empty_cell_says_nothing_and_changes_no_other(
    tmp_path: Path, column: str, empty: str
) -> None:
    rows = series("a", 0.8, 1)
    whole = checked(write(tmp_path / "in.csv", rows[:7] + rows[8:]), tmp_path / "out.csv")
    rows[7][HEADER.index(column)] = empty
    with_gap = write(tmp_path / "gap.csv", rows)
    assert np.flatnonzero(~read_statistics(with_gap).looks.complete).tolist() == [7]
    found = checked(with_gap, tmp_path / "gap-out.csv")
    gap = found.pop(7)
    assert found == whole
    assert {row["verdict"] for row in whole[7:]} == {"treatment higher"}
    assert (gap["verdict"], gap["p"], gap["lower"], gap["upper"]) == ("not enough data", "", "-inf", "inf")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ([*HEADER[:-1], "varience_t"], "variance_t is missing: is varience_t meant"),
        ([*HEADER[:-1], "other"], "variance_t is missing: needed are"),
        ([*HEADER[:-1], "mean_c"], "mean_c appears more than once"),
        ([*HEADER, "p"], "column p is one that we add"),
        ([""], "no header"),
        (HEADER, "line 2: 2 cells where the header has 10"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, header: list[str], said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        read_statistics(write(tmp_path / "in.csv", [["e", "v"]], header))


def test_files_that_are_no_csv_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"none\.csv cannot be read"):
        read_statistics(tmp_path / "none.csv")
    with pytest.raises(InvalidFile, match="no rows"):
        read_statistics(write(tmp_path / "in.csv", []))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidFile, match="UTF-8"):
        read_statistics(tmp_path / "binary.csv")


def test_unknown_columns_are_copied(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [[*row, "x,y"] for row in series("a", 0.0, 1)], [*HEADER, "note"])
    assert read_statistics(path).other_columns == ["note"]
    assert checked(path, tmp_path / "out.csv")[0]["note"] == "x,y"


def test_a_failed_write_leaves_nothing_and_the_old_file_whole(tmp_path: Path) -> None:
    read = read_statistics(write(tmp_path / "in.csv", series("a", 0.0, 1)))
    answer = check(read.looks)
    out = tmp_path / "out.csv"
    out.write_text("old", encoding="utf-8")
    answer.verdict.pop()
    with pytest.raises(ValueError, match="zip"):
        write_checked(out, read, answer)
    assert out.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    with pytest.raises(InvalidFile, match="cannot be written"):
        write_checked(tmp_path / "none" / "out.csv", read, check(read.looks))
    with pytest.raises(InvalidFile, match="not a regular file"):
        write_checked(tmp_path, read, answer)


def test_parameters_out_of_range_are_refused(tmp_path: Path) -> None:
    looks = read_statistics(write(tmp_path / "in.csv", series("a", 0.0, 1))).looks
    with pytest.raises(InvalidParameter, match="alpha"):
        check(looks, alpha=0.0)
    with pytest.raises(InvalidParameter, match="mde"):
        check(looks, mde=-1.0)
