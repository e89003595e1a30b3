"""What `spark-submit` runs: `app.py JOB.json`."""

import logging
import signal
import sys
from pathlib import Path
from types import FrameType

from coalmine_schemas.errors import CoalmineError
from coalmine_spark.job import read_job
from coalmine_spark.stream import run, session


def main(arguments: list[str] | None = None) -> int:
    """Runs a job until SIGTERM, or once. Returns 0, or 1 with the reason on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    (path,) = sys.argv[1:] if arguments is None else arguments
    job = read_job(Path(path))
    spark = session(job)
    spark.sparkContext.setLogLevel("WARN")
    signal.signal(signal.SIGTERM, _end)
    try:
        run(job, spark)
    except CoalmineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        spark.stop()
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
