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
    from coalmine_evals.suites.suite import Suite
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
        """The suite of a file, or one that was pushed, with its cases.

        `coalmine suite push` brings it to the server that the settings name, else here.
        """
        from coalmine_evals.suites.cases import cases_beside, cases_kept
        from coalmine_evals.suites.read import read_suite
        from coalmine_evals.suites.storage import find_suite

        remote = self._registry if self.settings.server.url is not None else None
        if name.endswith((".yaml", ".yml")):
            found = read_suite(Path(name))
            if found.file is not None:
                return cases_beside(found, Path(name))
        elif remote is not None:
            found = pushed_suite(remote, name)
        else:
            found = find_suite(self.database, name).suite
        return cases_kept(found, self.database) if remote is None else pushed_cases(remote, found)

    @cached_property
    def _registry(self) -> "Client":
        from coalmine_server.client import open_registry_client

        return self._stack.enter_context(open_registry_client(self.settings))

    def fetch(self, name: str, version: str) -> "PromptContent":
        """A version of the registry."""
        from coalmine_registry.errors import NotFound as NoSuchVersion
        from coalmine_schemas.prompts import PromptContent
        from coalmine_server.errors import NotFound

        try:
            found: dict[str, Any] = self._registry.get(path_of("prompts", name, "versions", version))
        except NotFound as error:
            raise NoSuchVersion(str(error)) from None
        return PromptContent.from_json(found["content"])


def pushed_suite(client: "Client", name: str) -> "Suite":
    """A suite that was pushed to the server."""
    from coalmine_evals.suites.suite import PushedSuite
    from coalmine_server.client import read_as

    return read_as(PushedSuite, client.get(path_of("suites", name))).suite


def pushed_cases(client: "Client", suite: "Suite") -> "SuiteCases":
    """A suite with its cases, which the server keeps."""
    from coalmine_evals.results.datasets import Case, Dataset
    from coalmine_evals.suites.cases import checked
    from coalmine_server.client import read_as

    path = path_of("datasets", suite.dataset)
    dataset = read_as(Dataset, client.get(path, {"digest": suite.dataset_digest}))
    cases = client.items(f"{path}/cases", {"digest": dataset.digest})
    return checked(suite, dataset.digest, [read_as(Case, each) for each in cases])


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
