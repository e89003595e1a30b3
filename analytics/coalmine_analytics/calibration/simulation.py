"""Simulation of the grid, block by block, on several processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from zlib import crc32

import numpy as np

from coalmine_analytics.calibration.trial import Outcome, Row, Trial

BLOCK = 125
"""Replications at once: their sums of 256 groups stay within the processor's cache."""

SEED = 20_240_229
"""The seed of the committed document."""

Done = Callable[[int, int], None]
"""Called with the number of blocks done, and of all blocks."""


def run_trial(trial: Trial, replications: int, *, seed: int = SEED) -> list[Row]:
    """Run one cell in this process.

    Args:
        trial: The cell.
        replications: Rounded up to blocks.
        seed: A cell's figures depend on this and its name, not on what else is run.
    """
    return run([trial], replications, seed=seed)


def run(
    trials: Sequence[Trial],
    replications: int,
    *,
    seed: int = SEED,
    processes: int = 1,
    block_size: int = BLOCK,
    on_done: Done = lambda _done, _total: None,
) -> list[Row]:
    """Run all cells, in order; the figures are the same for any number of processes."""
    blocks = max(1, -(-replications // block_size))
    found: dict[tuple[int, int], Outcome] = {}
    total = len(trials) * blocks
    if processes <= 1:
        for at, trial in enumerate(trials):
            for block in range(blocks):
                found[at, block] = _simulate(trial, block, seed, block_size)
                on_done(len(found), total)
    else:
        # Not forked: the caller may have threads.
        pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
        try:
            waiting = {
                pool.submit(_simulate, trial, block, seed, block_size): (at, block)
                for at, trial in enumerate(trials)
                for block in range(blocks)
            }
            for future in as_completed(waiting):
                found[waiting[future]] = future.result()
                on_done(len(found), total)
        finally:  # an interrupt does not wait for the rest
            pool.shutdown(cancel_futures=True)
    return [
        row
        for at, trial in enumerate(trials)
        for row in _judge(trial, [found[at, block] for block in range(blocks)])
    ]


def _simulate(trial: Trial, block: int, seed: int, block_size: int) -> Outcome:
    rng = np.random.default_rng([seed, crc32(trial.cell.encode()), block])
    return trial.simulate(rng, block_size)


def _judge(trial: Trial, outcomes: Sequence[Outcome]) -> list[Row]:
    return trial.judge({name: np.concatenate([o[name] for o in outcomes]) for name in outcomes[0]})
