"""What a process takes from the machine, over time: memory, handles, threads, files and answers' time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """A process and a directory at one moment."""

    memory_mib: float
    """Memory of its own: what is resident, without pages of files."""
    handles: int
    threads: int
    files: int
    """Below the directory."""
    answer_s: float
    """How long the questions took that were asked meanwhile, the slowest of them."""


def sample(pid: int, directory: Path, ask: Callable[[], object]) -> Sample:
    """Look at a process and a directory, and ask something.

    Args:
        pid: Of a process of this user.
        directory: Whose files are counted, at any depth.
        ask: Asks one or more questions.
    """
    began = time.monotonic()
    ask()
    answer_s = time.monotonic() - began
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Sample(
        memory_mib=int(status["RssAnon"].split()[0]) / 1024,
        handles=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        files=sum(path.is_file() for path in directory.rglob("*")),
        answer_s=answer_s,
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """A quantity in the second quarter of a run, and in its last."""

    early: float
    late: float

    def within(self, factor: float, allowance: float) -> bool:
        """Whether it grew by no more than a factor and a fixed amount."""
        return self.late <= factor * self.early + allowance


def growth(samples: Sequence[Sample], name: str) -> Growth:
    """How the median of a quantity went from the second quarter of a run, when it is warm, to the last."""
    quarter = len(samples) // 4
    assert quarter > 0, "too few samples to compare quarters of"
    parts = samples[quarter : 2 * quarter], samples[-quarter:]
    return Growth(*(median(getattr(each, name) for each in part) for part in parts))
