"""Compares segments with their files: each must exist, be readable and have the size in the manifest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coalmine_consumers.store import Segment


@dataclass(frozen=True, slots=True)
class FileFinding:
    """A segment whose file has changed or is missing."""

    segment: Segment
    readable: bool
    problem: str


def check_files(directory: Path, segments: Sequence[Segment]) -> Iterator[FileFinding]:
    """Compares every live segment with its file. Reads footers only."""
    for segment in segments:
        path = directory / segment.path
        span = (
            f"{segment.rows:,} {segment.event} between {segment.min_event_time:%Y-%m-%d %H:%M:%S} and "
            f"{segment.max_event_time:%Y-%m-%d %H:%M:%S} UTC"
        )
        try:
            rows = pq.read_metadata(path).num_rows
            size_bytes = path.stat().st_size
        except FileNotFoundError:
            yield FileFinding(segment, False, f"segment file {segment.path} is missing: it held {span}")
            continue
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            yield FileFinding(
                segment, False, f"segment file {segment.path} is damaged ({reason}): it held {span}"
            )
            continue
        if rows != segment.rows:
            problem = f"segment file {segment.path} has {rows:,} rows; the manifest says it held {span}"
            yield FileFinding(segment, True, problem)
        elif size_bytes != segment.size_bytes:
            problem = (
                f"segment file {segment.path} was changed: it has {size_bytes:,} bytes and was written "
                f"with {segment.size_bytes:,}; it held {span}"
            )
            yield FileFinding(segment, True, problem)
