"""Functions of Python in processes of their own, forked from one that has everything imported."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "coalmine_consumers.maintenance",
        "tests.support.data.store_feed",
        "tests.support.doubles.rollout_world",
        "tests.support.torture.processes",
    ]
)


def run_forked(
    function: Callable[..., int], *arguments: object, timeout_s: float = 300.0
) -> tuple[int, int | None]:
    """Run a function in a process of its own, to the end of the process.

    Args:
        function: Of a module that can be imported.
        arguments: Its arguments.
        timeout_s: How long it may take.

    Returns:
        The exit code, negative for a signal, and what the function returned, if it did.
    """
    receive, send = FORKS.Pipe(duplex=False)
    with receive:
        process = FORKS.Process(target=_send_result, args=(send, function, arguments), daemon=True)
        process.start()
        send.close()
        process.join(timeout_s)
        assert process.exitcode is not None, f"still running after {timeout_s} s"
        # Of a process that was killed there is the end of the stream alone.
        result: int | None = receive.recv() if process.exitcode == 0 else None
        return process.exitcode, result


def _send_result(send: Connection, function: Callable[..., int], arguments: tuple[object, ...]) -> None:
    send.send(function(*arguments))
