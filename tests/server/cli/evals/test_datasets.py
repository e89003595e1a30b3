"""`coalmine dataset import --promptfoo`: what it says to do next works."""

from pathlib import Path

from tests.support.processes.coalmine_process import coalmine

_PROMPTFOO = """
prompts: ['Answer {{question}}']
tests:
  - vars: {question: "Refund?"}
    assert: [{type: contains, value: 14 days}]
"""


def test_a_suite_of_promptfoos_asserts_has_its_cases_beside_it(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "promptfooconfig.yaml"
    file.write_text(_PROMPTFOO, encoding="utf-8")
    said = ("dataset", "import", "--promptfoo", str(file), "--name", "answers")
    checked = coalmine(*said, "--dry-run", home=home)
    assert checked.returncode == 0, checked.stderr
    assert [path.name for path in tmp_path.glob("answers*")] == []
    imported = coalmine(*said, home=home)
    assert imported.returncode == 0, imported.stderr
    result = coalmine("suite", "check", str(tmp_path / "answers.yaml"), home=home)
    assert result.returncode == 0, result.stderr
    assert "1 metric on 1 cases of answers" in result.stderr
    assert coalmine(*said, home=home).returncode == 2
