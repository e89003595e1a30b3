"""Recorded answers of several models in one file, in the form of the published GSM8K solutions."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.support.repository.tree import ROOT

PUBLISHED = ROOT.parent / "shared" / "data" / "gsm8k_model_solutions.jsonl.gz"
"""Not in the repository."""
CORRECT = {
    "6b_finetuning": 0.2168,
    "6b_verification": 0.3904,
    "175b_finetuning": 0.3472,
    "175b_verification": 0.5625,
}
"""Share of 1,319 answers that are right, as published."""


def write_solutions(path: Path, count: int, right: Sequence[float], *, seed: int = 0) -> list[list[bool]]:
    """Writes a file of the same form with models `m0`, `m1` ...; returns what is right.

    Args:
        path: Compressed if its name ends in `.gz`.
        count: Number of questions.
        right: Share of right answers of each model.
        seed: Of the answers.
    """
    rng = np.random.default_rng(seed)
    lines, truth = [], []
    for at in range(count):
        a, b = (int(each) for each in rng.integers(2, 90, 2))
        good = [bool(rng.random() < share) for share in right]
        row: dict[str, object] = {
            "question": f"{at}: what is {a} times {b}?",
            "ground_truth": f"{a} times {b} is <<{a}*{b}={a * b}>>{a * b}\nA: {a * b}",
        }
        for model, is_correct in enumerate(good):
            answer = a * b if is_correct else a * b + 1 + model
            row[f"m{model}"] = {"is_correct": is_correct, "solution": f"So it is {a}*{b}\nA: {answer:,}"}
        lines.append(json.dumps(row))
        truth.append(good)
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return truth
