"""How soon a changed prompt reaches the services that use it: 100 connected clients of a real server.

A version is promoted over HTTP, again and again, and each client notes when `cm.prompt(...)` first gives it.
The clock starts before the promotion is asked for, so checking, committing and fsync are part of the figure.

Beside it, in the same run, the `langfuse` SDK against a stub of its API that answers at once: it learns of
changes when a cached prompt is older than a time to live, here the shortest it takes, 1 s (its default is
60 s), and gives the old one once more while it asks.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx2
from langfuse import Langfuse

from benchmarks.langfuse_stub import langfuse_stub
from coalmine import Coalmine

NAME = "support-refund"
VERSIONS = ("1.0.0", "1.0.1")
ENVIRONMENT = "dev"  # where the author alone may promote
PROCESSES = 4
LOOK_S = 0.002
TTL_S = 1
PATIENCE_S = 30.0
START_S = 180.0
"""Until when the server must listen."""


@contextmanager
def server(home: Path, registry: str | None) -> Iterator[str]:
    """A real server on a free port; with the URL of a registry's database, one that has only that."""
    part, announced = ("all", "server.json") if registry is None else ("registry", "registry.json")
    shared = {} if registry is None else {"COALMINE_REGISTRY_URL": registry}
    command = "from coalmine_server.cli import program; program()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", part, "--port", "0"],
        env={**os.environ, **shared, "COALMINE_HOME": str(home), "COALMINE_LOG_LEVEL": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_S
        while not (home / announced).exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield str(json.loads((home / announced).read_text())["url"])
    finally:
        process.terminate()
        process.wait(30)


def coalmine_clients(url: str, token: str, count: int, pipe: Connection) -> None:
    """A process of some clients: told a version, it answers when each of them has it."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        clients = [
            stack.enter_context(
                Coalmine("bench", ENVIRONMENT, home=Path(directory, str(n)), server_url=url, token=token)
            )
            for n in range(count)
        ]
        if not all(client.wait_for_registry(PATIENCE_S) for client in clients):
            raise RuntimeError("a client does not hear the registry")
        pipe.send("ready")
        while (version := pipe.recv()) is not None:
            seen: dict[int, float] = {}
            deadline = time.monotonic() + PATIENCE_S
            while len(seen) < count and time.monotonic() < deadline:
                for number, client in enumerate(clients):
                    if number not in seen and client.prompt(NAME).version == version:
                        seen[number] = time.monotonic()
                time.sleep(LOOK_S)
            pipe.send(list(seen.values()))


def langfuse_client(url: str, pipe: Connection) -> None:
    """A process with the other SDK: told a version, it answers when it has it."""
    sdk = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url=url, tracing_enabled=False)
    sdk.get_prompt(NAME, cache_ttl_seconds=TTL_S)
    pipe.send("ready")
    while (version := pipe.recv()) is not None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if sdk.get_prompt(NAME, cache_ttl_seconds=TTL_S).prompt == version:
                pipe.send([time.monotonic()])
                break
            time.sleep(LOOK_S)
        else:
            pipe.send([])
    sdk.shutdown()


def started(stack: ExitStack, target: Any, *arguments: Any) -> Connection:  # noqa: ANN401 - a process's arguments
    """A process that says when it is ready, and ends with the stack."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()

    def end() -> None:
        ours.send(None)
        process.join(30)

    if ours.recv() != "ready":
        raise RuntimeError("a client did not start")
    stack.callback(end)
    return ours


def waited_s(pipes: list[Connection], began: float) -> list[float]:
    """How long after `began` each client had the version."""
    return [at - began for pipe in pipes for at in pipe.recv()]


def measure(clients: int, changes: int, registry: str | None = None) -> tuple[list[float], list[float], int]:
    """Times until a change is there, seconds: ours, theirs; and how often one of ours never saw it.

    With the URL of an empty PostgreSQL database, changes go through one server, and clients ask another.
    """
    ours: list[float] = []
    theirs: list[float] = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = asked = stack.enter_context(server(home, registry))
        token = (home / "credentials").read_text().strip()
        if registry is not None:
            other_home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            asked = stack.enter_context(server(other_home, registry))
        headers = {"Authorization": f"Bearer {token}"}
        api = stack.enter_context(httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False))

        def post(path: str, body: dict[str, Any]) -> None:
            api.post(path, json=body).raise_for_status()

        def promote(version: str) -> None:
            post("/v1/promotions", {"prompt": NAME, "version": version, "environment": ENVIRONMENT})

        for version in VERSIONS:
            content = {"template": f"You are version {version}. " + "Be kind. " * 200}
            post(f"/v1/prompts/{NAME}/versions", {"version": version, "content": content})
        promote(VERSIONS[0])
        stub = stack.enter_context(langfuse_stub(NAME, VERSIONS[0]))
        shares = [clients // PROCESSES + (n < clients % PROCESSES) for n in range(PROCESSES)]
        pipes = [started(stack, coalmine_clients, asked, token, share) for share in shares if share]
        other = started(stack, langfuse_client, stub.url)
        for change in range(1, changes + 1):
            version = VERSIONS[change % 2]
            for pipe in pipes:
                pipe.send(version)
            began = time.monotonic()
            promote(version)
            ours += waited_s(pipes, began)
            other.send(version)
            began = time.monotonic()
            stub.text = version
            theirs += waited_s([other], began)
    return sorted(ours), sorted(theirs), clients * changes - len(ours)


def quantile(ordered: list[float], q: float) -> float:
    """The time that a share `q` did not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints the table and, if asked, a last line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.propagation", description=__doc__)
    parser.add_argument("--clients", type=int, default=100, help="connected clients (default: %(default)s)")
    parser.add_argument("--changes", type=int, default=30, help="promotions (default: %(default)s)")
    parser.add_argument(
        "--registry", help="empty PostgreSQL database: two servers, changed by one, asked by other"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    ours, theirs, missed = measure(options.clients, options.changes, options.registry)
    print(f"\n{options.changes} promotions until each of {options.clients} clients gives the new version")
    print(f"{'':<44}{'p50':>10}{'p95':>10}{'p99':>10}")
    sides = (("coalmine", ours), (f"langfuse, time to live {TTL_S} s", theirs))
    for name, times in sides:
        print(f"{name:<44}" + "".join(f"{quantile(times, q):>9.3f}s" for q in (0.5, 0.95, 0.99)))
    met = quantile(ours, 0.99) <= 1.0
    print(f"target: p99 of coalmine at most 1 s: {'met' if met else 'MISSED'}")
    if missed:
        print(f"{missed} times a client did not see the change in {PATIENCE_S:.0f} s", file=sys.stderr)
        return 1
    if options.json:
        result = {
            "clients": options.clients,
            "visible_s_p50": round(quantile(ours, 0.5), 4),
            "visible_s_p95": round(quantile(ours, 0.95), 4),
            "visible_s_p99": round(quantile(ours, 0.99), 4),
            "langfuse_visible_s_p50": round(quantile(theirs, 0.5), 4),
            "langfuse_visible_s_p99": round(quantile(theirs, 0.99), 4),
        }
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
