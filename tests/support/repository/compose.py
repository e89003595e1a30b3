"""`docker-compose.yml` and `Dockerfile` as data, for what can be checked without an engine."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.repository.tree import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Service:
    """One service, with its parts in one spelling."""

    name: str
    image: str
    ours: bool
    """Whether it runs our own image."""
    command: str
    """What the container runs, as one line."""
    environment: dict[str, str]
    published: dict[int, tuple[str, int]]
    """By port inside: the host's address and port."""
    volumes: dict[str, str]
    """Named volume by the path it is mounted at."""
    depends_on: dict[str, str]
    """The condition waited for, by service."""
    healthcheck: list[str] = field(default_factory=list)
    """The command and its arguments; empty when there is none."""
    stop_grace_period_s: float = 10.0


def document() -> dict[str, Any]:
    """The file as YAML reads it, anchors and merges resolved."""
    loaded = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def services() -> dict[str, Service]:
    """Every service by its name."""
    return {name: _service(name, raw) for name, raw in document()["services"].items()}


def _service(name: str, raw: dict[str, Any]) -> Service:
    ports = [str(port).rsplit(":", 2) for port in raw.get("ports", [])]
    mounts = [str(mount).split(":") for mount in raw.get("volumes", [])]
    check = raw.get("healthcheck", {}).get("test", [])
    entrypoint = raw.get("entrypoint", ["coalmine"] if "build" in raw else [])
    return Service(
        name=name,
        image=raw["image"],
        ours="build" in raw,
        command=" ".join([*entrypoint, *raw.get("command", [])]).replace("$$", "$"),
        environment={key: str(value) for key, value in raw.get("environment", {}).items()},
        published={int(inside): (address, int(outside)) for address, outside, inside in ports},
        volumes={mount[1]: mount[0] for mount in mounts},
        depends_on={other: rule["condition"] for other, rule in raw.get("depends_on", {}).items()},
        healthcheck=list(check[1:]) if check[:1] == ["CMD"] else list(check),
        stop_grace_period_s=float(str(raw.get("stop_grace_period", "10s")).removesuffix("s")),
    )


def copied_from_the_repository() -> list[str]:
    """What the Dockerfile copies from the build context."""
    found = []
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            found += words[1:-1]
    return found


def let_through_by_dockerignore() -> list[str]:
    """The exceptions of `.dockerignore`, which first excludes everything."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    return [rule.removeprefix("!") for rule in rules if rule.startswith("!")]


def image_environment() -> dict[str, str]:
    """What the last stage of the Dockerfile sets."""
    last_stage = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2].replace("\\\n", " ")
    instructions = [line.removeprefix("ENV ") for line in last_stage.splitlines() if line.startswith("ENV ")]
    return dict(re.findall(r"([A-Z_]+)=(\S+)", " ".join(instructions)))


def exposed_ports() -> set[int]:
    """The ports the Dockerfile names."""
    (line,) = re.findall(r"^EXPOSE (.+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(port) for port in line.split()}


def exists_in_the_repository(name: str) -> bool:
    """Whether a path of the build context is there."""
    return Path(ROOT / name).exists()
