"""Entry point of the `coalmine` command: runs it, and turns errors into one line and an exit code."""

import errno
import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn, TextIO, cast

from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.safe_text import PrintableStream, masked
from coalmine_server.cli.quick_end import end_quickly
from coalmine_server.errors import ConfigurationError, DiskFull, ExitCode, exit_code_of, is_of_full_disk

_EXTRA_OF_MODULE = {
    "alembic": "server",
    "altair": "dashboards",
    "coalmine_dashboards": "dashboards",
    "confluent_kafka": "kafka",
    "duckdb": "server",
    "fastapi": "server",
    "httpcore2": "server",
    "jsonschema_rs": "server",
    "mcp": "mcp",
    "mcp_types": "mcp",
    "numpy": "server",
    "opentelemetry": "server",
    "polars": "server",
    "prometheus_client": "server",
    "psycopg": "server",
    "pyarrow": "server",
    "pydantic": "server",
    "pyruhvro": "server",
    "regex": "server",
    "rich": "server",
    "scipy": "server",
    "semver": "server",
    "slack_sdk": "server",
    "sqlalchemy": "server",
    "stamina": "server",
    "starlette": "server",
    "statsmodels": "server",
    "streamlit": "dashboards",
    "structlog": "server",
    "typer": "server",
    "uvicorn": "server",
    "yaml": "server",
}
"""Which extra brings a module that the base install does without."""

_OF_PLACES = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR})
"""Errors of files and folders that people named, such as the home of another user."""

ALLOCATIONS_PER_COLLECTION = 50_000
"""More than Python's 700: what a command imports stays, and looking it through took a tenth of its time."""


def program() -> None:
    """The `coalmine` program, which ends the process: `main` in a process of its own."""
    end_quickly(main)


def main() -> None:
    """Runs the command and leaves the process with its exit code."""
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    # Looking for plugins reads the metadata of every distribution that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # OpenBLAS, which numpy and scipy each bring, would start a thread per core that is busy waiting for work;
    # our matrices are small.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_closed_streams()
    # Names of prompts, versions and models come from anybody. Here, because everything passes here.
    sys.stdout, sys.stderr = (cast("TextIO", PrintableStream(each)) for each in (sys.stdout, sys.stderr))
    try:
        importlib.import_module("coalmine_server.cli.app").app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        extra = _EXTRA_OF_MODULE.get(missing)
        if extra is None:
            _fail_by_fault()
        _fail(
            ConfigurationError(
                f"this needs {missing}, which is not installed", f"run: pip install 'coalmine[{extra}]'"
            )
        )
    except CoalmineError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`). Python would complain once more on closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
    except Exception as error:  # noqa: BLE001
        if is_of_full_disk(error):
            _fail(DiskFull(f"the disk is full: {error}\nmake room, and run the command again"))
        if isinstance(error, OSError) and error.errno in _OF_PLACES and error.filename is not None:
            _fail(
                ConfigurationError(f"{error.filename}: {error.strerror}", "mend that, or name another place")
            )
        _fail_by_fault()


def _open_closed_streams() -> None:
    """Opens on nothing what was closed (`>&-`): a file of the store would get its number next."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _fail(error: CoalmineError) -> NoReturn:
    print(f"coalmine: {masked(str(error))}", file=sys.stderr)  # noqa: T201 - rich may be what is missing
    sys.exit(exit_code_of(error))


def _fail_by_fault() -> NoReturn:
    """Prints the error at hand, and ends not with 1, which is the answer of a check or of the gate."""
    traceback.print_exc()
    sys.exit(ExitCode.FAULT)
