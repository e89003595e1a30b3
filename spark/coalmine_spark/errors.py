"""Errors of Spark jobs. Classes say what the caller should do.

CoalmineError                      (coalmine_schemas.errors)
├── Transient                      retry after a pause
│   └── NoServerYet                start the server that imports
├── QueryRefused                   begin another query
└── Terminal
    └── SparkMissing               install the extra
"""

from pathlib import Path

from coalmine_schemas.errors import CoalmineError, Terminal, Transient


class NoServerYet(Transient):
    """No server has said where its store stands.

    Attributes:
        folder: Where it should say so.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"no server imports from {self.folder}: start one with spark.dir set to this folder "
            "(COALMINE_SPARK_DIR)"
        )


class QueryRefused(CoalmineError):
    """The server does not take this query's batches any more; another one begins where its store stands."""


class SparkMissing(Terminal):
    """Spark is not installed here."""

    def __str__(self) -> str:
        return "pyspark is not installed: pip install 'coalmine[spark]'"
