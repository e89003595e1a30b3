"""Where the commands of evaluations keep runs, whom they ask, and how they read the registry."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from coalmine_schemas.errors import Transient
from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.options import path_of
from coalmine_server.errors import ConfigurationError, ExitCode, ServerError, Unavailable

if TYPE_CHECKING:
    from coalmine_evals.runs.session import Place
    from coalmine_evals.runs.store import RunStore
    from coalmine_evals.suites.cases import SuiteCases
    from coalmine_registry.storage.database import Database
    from coalmine_schemas.prices import PriceTable
    from coalmine_schemas.prompts import PromptContent
    from coalmine_schemas.prompts.templating import Lookup
    from coalmine_server.client import Client
    from coalmine_server.settings import Settings


class Here:
    """This machine's evaluations. Opens what is asked for.

    Args:
        settings: All of them.
        stack: Closes what was opened.
        concurrency: Requests under way at once, at most, to one model.
    """

    def __init__(self, settings: "Settings", stack: ExitStack, concurrency: int) -> None:
        from coalmine_evals.storage.open import open_database
        from coalmine_schemas.discovery import own_home

        self.settings, self._stack, self._concurrency = settings, stack, concurrency
        own_home(settings.home)
        self.database: Database = open_database(settings.evals_database)
        stack.callback(self.database.close)
        self._client: Client | None = None

    @cached_property
    def prices(self) -> "PriceTable":
        """What answers cost."""
        from coalmine_server.services.wiring import price_table

        return price_table(self.settings)

    @cached_property
    def store(self) -> "RunStore":
        """Runs and their answers."""
        from coalmine_evals.runs.store import RunStore

        return RunStore(self.database)

    @cached_property
    def place(self) -> "Place":
        """Where runs take place."""
        from coalmine_evals.gate import judge
        from coalmine_evals.judges.find import FOLDER
        from coalmine_evals.providers.http import HttpSettings
        from coalmine_evals.providers.open import OpenModels
        from coalmine_evals.runs.session import Place
        from coalmine_server.services.evals import model_access

        return Place(
            store=self.store,
            cache=self.settings.evals_cache,
            models=OpenModels(model_access(self.settings), self.prices, HttpSettings(self._concurrency)),
            prices=self.prices,
            fetch=self.fetch,
            judge=judge,
            at_once=2 * self._concurrency,
            folder=FOLDER,
        )

    @property
    def prompts(self) -> "Lookup":
        """Prompts of the folder `prompts`, then of the registry."""
        from coalmine_evals.judges.find import FOLDER
        from coalmine_evals.runs.session import prompts_of

        return prompts_of(FOLDER, self.fetch)

    def suite(self, name: str) -> "SuiteCases":
        """The suite of a file, or one that was pushed, with its cases."""
        from coalmine_evals.suites.cases import cases_beside, cases_kept
        from coalmine_evals.suites.read import read_suite
        from coalmine_evals.suites.storage import find_suite

        if name.endswith((".yaml", ".yml")):
            found = read_suite(Path(name))
            return cases_kept(found, self.database) if found.file is None else cases_beside(found, Path(name))
        return cases_kept(find_suite(self.database, name).suite, self.database)

    def fetch(self, name: str, version: str) -> "PromptContent":
        """A version of the registry."""
        from coalmine_registry.errors import NotFound as NoSuchVersion
        from coalmine_schemas.prompts import PromptContent
        from coalmine_server.client import open_registry_client
        from coalmine_server.errors import NotFound

        if self._client is None:
            self._client = self._stack.enter_context(open_registry_client(self.settings))
        try:
            found: dict[str, Any] = self._client.get(path_of("prompts", name, "versions", version))
        except NotFound as error:
            raise NoSuchVersion(str(error)) from None
        return PromptContent.from_json(found["content"])


class NoAnswer(ServerError):
    """Nobody could be asked: that is neither harm nor undecided, which have exit codes of their own."""

    exit_code = ExitCode.UNDECIDED


@contextmanager
def evaluations(context: typer.Context, concurrency: int = 32) -> Iterator[Here]:
    """This machine's evaluations, for the length of a block.

    Args:
        context: Of the running command.
        concurrency: Requests under way at once, at most, to one model.

    Raises:
        ConfigurationError: What was asked for does not exist, or not in this state.
        NoAnswer: The registry or a file could not be reached.
    """
    from coalmine_registry.errors import Refused

    with ExitStack() as stack:
        try:
            yield Here(invocation(context).settings(), stack, concurrency)
        except Refused as error:
            raise ConfigurationError(str(error)) from error
        except (Transient, Unavailable) as error:
            raise NoAnswer(str(error)) from error
