"""The harness that runs our documents' code notices code that does not work."""

import json
from pathlib import Path

import pytest

from tests.support.repository.documents import DocumentError, check_data, run_bash, run_python
from tests.support.repository.markdown import Block, MarkdownError, blocks, links
from tests.support.repository.shell_commands import can_run, command_lines, problem_with

_PLACE = Path("example.md")


def _block(language: str, code: str, setup: str = "") -> Block:
    return Block(_PLACE, 1, language, code, setup=setup)


def _document(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "example.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_blocks_are_found_with_language_line_and_comments(tmp_path: Path) -> None:
    text = """# Title
```bash
ls
```
<!-- test: skip, needs a moon -->
```python
fly()
```
<!-- test: setup
x = 1
-->

```python
x += 1
```
- in a list
  ~~~json
  {"a": 1}
  ~~~
"""
    found = list(blocks(_document(tmp_path, text)))
    assert [(block.language, block.line, block.code) for block in found] == [
        ("bash", 3, "ls\n"),
        ("python", 7, "fly()\n"),
        ("python", 14, "x += 1\n"),
        ("json", 18, '{"a": 1}\n'),
    ]
    assert [block.skip for block in found] == [None, "needs a moon", None, None]
    assert found[2].setup == "x = 1\n"


def test_a_comment_only_counts_directly_before_its_block(tmp_path: Path) -> None:
    text = "<!-- test: skip, far away -->\nSome words.\n```bash\nls\n```\n"
    (block,) = blocks(_document(tmp_path, text))
    assert block.skip is None


@pytest.mark.parametrize("text", ["```bash\nls\n", "<!-- test: skip -->\n```bash\nls\n```\n"])
def test_open_fences_and_skips_without_a_reason_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(MarkdownError, match=r"example\.md:"):
        list(blocks(_document(tmp_path, text)))


def test_links_and_pictures_are_found_outside_code(tmp_path: Path) -> None:
    text = '[a](docs/a.md#part) ![p](p.png)\n<img src="q.svg">\n```text\n[no](no.md)\n```\n'
    assert list(links(_document(tmp_path, text))) == ["docs/a.md#part", "p.png", "q.svg"]


def test_python_that_fails_is_noticed_at_its_line() -> None:
    block = Block(_PLACE, 41, "python", "y = x\nassert y == 2\n", setup="x = 1\n")
    with pytest.raises(AssertionError) as caught:
        run_python(block, {})
    assert caught.traceback[-1].lineno == 41  # counted from 0


def test_python_blocks_build_on_each_other() -> None:
    namespace: dict[str, object] = {}
    run_python(_block("python", "a = b + 1\n", setup="b = 1\n"), namespace)
    run_python(_block("python", "assert a == 2\n"), namespace)


def test_shell_code_runs_with_a_home_of_its_own_and_its_failure_is_noticed(tmp_path: Path) -> None:
    run_bash(_block("bash", 'echo hello > "$COALMINE_HOME/file"\n'), tmp_path)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "hello\n"
    with pytest.raises(DocumentError, match="exit status 1"):
        run_bash(_block("bash", "false\ntrue\n"), tmp_path)


def test_code_that_installs_or_never_ends_is_checked_but_not_run(tmp_path: Path) -> None:
    code = 'touch "$COALMINE_HOME/ran"\nmake test\n'
    run_bash(_block("bash", code), tmp_path)
    assert not (tmp_path / "ran").exists()
    assert not can_run("coalmine serve &")
    assert can_run("coalmine versions --json | head")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("make tset", "no target tset"),
        ("make demo DEMO_ARG=--headless", "no variable DEMO_ARG"),
        ("coalmine version --json", "no command version"),
        ("coalmine versions --jsn", "no option --jsn"),
        ("coalmine audit everything", "takes no argument"),
        ("pip install 'coalmine[sever]'", "no extra sever"),
        ("docker compose up kafak", "no service kafak"),
    ],
)
def test_commands_that_do_not_exist_are_noticed(line: str, problem: str) -> None:
    (words,) = command_lines(line)
    assert problem in str(problem_with(words))


@pytest.mark.parametrize(
    "line",
    [
        'make demo DEMO_ARGS="--headless --seconds 20 --json"',
        "COALMINE_HOME=here coalmine versions --json  # as a list",
        "coalmine dead-letters list",
        "pip install 'coalmine[server,dashboards]'",
        "docker compose up -d kafka",
        "git clone https://example.com/coalmine && cd coalmine",
        "$ make",
    ],
)
def test_commands_that_exist_pass(line: str) -> None:
    assert [problem for words in command_lines(line) if (problem := problem_with(words))] == []


def test_data_is_parsed_and_settings_must_exist() -> None:
    names = {"app": 1, "kafka.bootstrap_servers": 1}
    check_data(_block("toml", 'app = "x"\n[kafka]\nbootstrap_servers = "localhost:9092"\n'), names)
    with pytest.raises(DocumentError, match=r"kafka\.bootstrap_server"):
        check_data(_block("toml", '[kafka]\nbootstrap_server = "localhost:9092"\n'), names)
    with pytest.raises(json.JSONDecodeError):
        check_data(_block("json", "{'a': 1}\n"), names)
