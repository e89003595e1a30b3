"""A server of the registry, a folder of configuration, and the people who apply it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine

_NUMBERS = count()


@dataclass
class Team:
    """A server's admin, an author, and a folder with one prompt of their own."""

    server: ServerProcess
    admin: Person
    author: Person
    reader: Person
    home: Path
    prompt: str

    @property
    def folder(self) -> Path:
        return self.home / "conf"

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the folder; PROMPT stands for the prompt's name."""
        path = self.folder / name.replace("PROMPT", self.prompt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PROMPT", self.prompt), encoding="utf-8")
        return path

    def version(self, version: str, words: str = "") -> None:
        """Writes a version, whose content nobody else has registered."""
        text = f"---\nvariables: {{name: string}}\n---\nPROMPT {version}{words}: Hello {{{{ name }}}}\n"
        self.write(f"prompts/PROMPT/{version}.md", text)

    def pushed(self, *versions: str) -> None:
        """Has the author register versions, so that the admin may decide what is served."""
        for version in versions:
            self.version(version)
        done = self.run("push", "conf/prompts", by=self.author)
        assert done.returncode == 0, done.stdout

    def run(self, *arguments: str, by: Person | None = None) -> CompletedProcess[str]:
        token = (by or self.admin).token
        env = {"COALMINE_SERVER_URL": self.server.url, "COALMINE_TOKEN": token}
        return coalmine(*arguments, home=self.home, env=env)

    def plan(self, *options: str, by: Person | None = None) -> Any:
        """The plan, as JSON."""
        done = self.run("plan", "conf", "--json", *options, by=by)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def apply(self, *options: str, by: Person | None = None) -> Any:
        """What became of the plan, as JSON."""
        done = self.run("apply", "conf", "--yes", "--json", *options, by=by)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def served(self, environment: str = "prod") -> Any:
        return self.admin.get(f"/v1/environments/{environment}/prompts/{self.prompt}")

    def audit(self) -> list[str]:
        """Everything that was ever done to the prompt."""
        items = self.admin.get("/v1/audit-log", params={"prompt": self.prompt, "limit": 1000})["items"]
        return [each["action"] for each in items]


@pytest.fixture
def team(registry_server: ServerProcess, tmp_path: Path) -> Iterator[Team]:
    number = next(_NUMBERS)
    with (
        Person.local(registry_server) as admin,
        admin.make(f"author-{number}", "author") as author,
        admin.make(f"reader-{number}", "reader") as reader,
    ):
        yield Team(registry_server, admin, author, reader, tmp_path, f"configured-{number}")


def names(found: list[dict[str, Any]]) -> list[str]:
    """Kind and name of each step."""
    return [f"{each['kind']} {each['name']}" for each in found]
