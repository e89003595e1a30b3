"""`coalmine stats-check`, as a person runs it."""

from pathlib import Path

from tests.support.processes.coalmine_process import coalmine, coalmine_json

HEADER = (
    "experiment_id,variant_id,metric_id,time_since_start,count_c,count_t,mean_c,mean_t,variance_c,variance_t"
)
ROWS = ["e,v,m,1,20,20,1,2,1,1", "e,v,m,2,200,200,1,2,1,1", "e,v,n,1,200,200,1,1,1,1"]


def test_it_writes_the_rows_with_answers_and_a_summary(home: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("\n".join([HEADER, *ROWS]), encoding="utf-8")
    out = tmp_path / "out.csv"
    told = coalmine_json("stats-check", tmp_path / "in.csv", "--out", out, "--alpha", "0.01", home=home)
    assert (told["rows"], told["series"], told["alpha"], told["mde"]) == (3, 2, 0.01, "auto")
    assert told["verdicts"] == {"no difference shown": 1, "treatment higher": 1}
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"{HEADER},estimate,lower,upper,p,verdict"
    assert lines[1] == f"{ROWS[0]},1.0,-inf,inf,,not enough data"
    assert lines[2].endswith("treatment higher")


def test_mistakes_are_one_line_with_a_remedy_and_exit_with_2(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("\n".join([HEADER, ROWS[0].replace("20", "few", 1)]), encoding="utf-8")
    cases: list[tuple[list[str | Path], str]] = [
        (["--out", tmp_path / "out.csv"], "line 2, column count_c: 'few': give a number"),
        (["--alpha", "2"], "--alpha is 2.0"),
        (["--mde", "-1"], "--mde is -1"),
        (["--out", file], "is the file to be read"),
    ]
    for options, said in cases:
        result = coalmine("stats-check", file, *options, home=home)
        assert result.returncode == 2
        assert said in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.csv").exists()
