"""The end of a process that has only asked: its memory goes at once, not object by object.

Python's own end looks through all objects, and frees them one after the other: a fifth of what a short
command takes. What has to be done at the end is done as ever: threads are waited for, functions of `atexit`
are called, and both streams are flushed. Commands that write, or stay, end as Python does.
"""

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress


class _End:
    """What the process leaves with."""

    only_asked = False
    code: int | None = None

    def leave(self) -> None:
        """Ends the process, if the command has only asked and says what to end with."""
        if self.only_asked and self.code is not None:
            with suppress(OSError, ValueError):  # a stream that takes no more: Python says so as it ends
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(self.code)


_END = _End()


def only_asks() -> None:
    """Says that the running command has closed whatever it opened by the time it ends."""
    _END.only_asked = True


def end_quickly(main: Callable[[], None]) -> None:
    """Calls the function of a program, which nothing else may follow.

    Raises:
        SystemExit: The function did.
    """
    atexit.register(_END.leave)  # the last of all that are registered from now on
    try:
        main()
    except SystemExit as end:
        _END.code = 0 if end.code is None else end.code if isinstance(end.code, int) else None
        raise
    _END.code = 0
