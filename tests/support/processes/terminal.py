"""A reader's terminal: blocks of a document are typed into one shell, whose jobs go on between them."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.repository.documents import DocumentError, reader_environment
from tests.support.repository.markdown import Block


class Terminal:
    """A shell in a folder; everything else of a reader's is below `home`.

    Args:
        work: Folder that it stands in.
        home: The reader's home, made here.
        variables: Set in it, e.g. where the model's API is.
    """

    def __init__(self, work: Path, home: Path, variables: Mapping[str, str] | None = None) -> None:
        home.mkdir()
        self.home = home
        self._typed = 0
        self._shell = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            cwd=work,
            env={**reader_environment(home), **(variables or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._write("trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n")

    def run(self, block: Block | str, *, timeout_s: float = 300.0) -> str:
        """Types a block, waits for its end, and returns what it and its jobs have printed.

        Raises:
            DocumentError: A command failed, or it took too long.
        """
        code = block if isinstance(block, str) else block.code
        self._typed += 1
        printed = self.home / f"printed-{self._typed}"
        done = self.home / f"done-{self._typed}"
        self._write(f"{{\n{code}\n}} >'{printed}' 2>&1\n: >'{done}'\n")
        give_up_at = time.monotonic() + timeout_s
        while not done.exists():
            ended = self._shell.poll() is not None
            if ended or time.monotonic() > give_up_at:
                text = printed.read_text(encoding="utf-8") if printed.exists() else ""
                raise DocumentError(f"{block}: {'failed' if ended else 'takes too long'}\n{code}\n{text}")
            time.sleep(0.02)
        return printed.read_text(encoding="utf-8")

    def start(self, block: Block) -> Path:
        """Types a block whose last command never ends; returns the file with what is printed."""
        self.run(f"{block.code.rstrip()} &")
        return self.home / f"printed-{self._typed}"

    def close(self) -> None:
        """Ends the shell and its jobs by SIGTERM, and waits for them."""
        if self._shell.stdin is not None:
            self._shell.stdin.close()
        self._shell.wait(60)

    def _write(self, text: str) -> None:
        if self._shell.stdin is not None and self._shell.poll() is None:
            self._shell.stdin.write(text)
            self._shell.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
