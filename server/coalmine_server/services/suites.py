"""Whether a prompt has a suite of evaluations, for policies that require one."""

from contextlib import closing

from coalmine_server.settings import Settings


def has_suite(settings: Settings, prompt: str) -> bool:
    """Returns True if a suite of a prompt was pushed to this home, whose cases decide."""
    # A policy that requires suites is rare, and what it asks about is read from a file of its own.
    from coalmine_evals.storage.open import open_database  # noqa: PLC0415
    from coalmine_evals.suites.storage import suites_of  # noqa: PLC0415

    with closing(open_database(settings.evals_database)) as database:
        return any(each.suite.split == "test" for each in suites_of(database, prompt))
