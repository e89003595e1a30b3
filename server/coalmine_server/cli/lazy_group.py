"""Groups whose commands are imported when they are called; their help needs only names and first lines.

The pattern is that of click's documentation, "Lazily loading subcommands", for typer.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

MARKUP: Any = "rich" if sys.stdout.isatty() else None
"""Boxes and colours are for a terminal. Elsewhere help is plain text, which takes a third of the time."""


class CommandModule:
    """A module of commands; each attribute is a function that imports it and returns what has that name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Callable[[], Any]:
        return lambda: getattr(importlib.import_module(f"coalmine_server.cli.{self._name}"), attribute)


@dataclass(frozen=True, slots=True)
class Later:
    """A command, or a group of them, that is not imported yet."""

    load: Callable[[], Any]
    """Returns its function, or the typer application of a group."""
    summary: str
    """The first paragraph of its help."""
    panel: str | None = None
    """The heading that it stands under."""
    epilog: Callable[[], str] | None = None
    """Returns what its help ends with."""


def lazy_group(later: Mapping[str, Later]) -> type[TyperGroup]:
    """Returns a class of groups that have these commands behind their own, for `typer.Typer(cls=...)`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - as typer calls it
            super().__init__(**attributes)
            self.commands: Any = _Commands(self.commands, later)

        def list_commands(self, _ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own kind of context
            return list(self.commands)

        def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
            """Writes help; rich asks for each command, so it gets what is known without an import."""
            commands = self.commands
            self.commands = {name: _shown(name, commands, later) for name in commands}
            try:
                super().format_help(ctx, formatter)
            finally:
                self.commands = commands

        def format_commands(self, _ctx: Any, formatter: Any) -> None:  # noqa: ANN401
            """Writes the commands without boxes: under their headings, each with all of its first line."""
            panels: dict[str, list[tuple[str, str]]] = {}
            for name, command in self.commands.items():
                panel = command.rich_help_panel if isinstance(command.rich_help_panel, str) else "Commands"
                panels.setdefault(panel, []).append((name, _summary(command)))
            width = max(len(name) for name in self.commands)
            for panel, rows in panels.items():
                with formatter.section(panel):
                    # One width for all headings.
                    formatter.write_dl([(f"{name:<{width}}", summary) for name, summary in rows])

    return LazyGroup


class _Commands(Mapping[str, Any]):
    """Commands by name; those that come later are imported when they are looked up."""

    def __init__(self, own: Mapping[str, Any], later: Mapping[str, Later]) -> None:
        self._loaded = dict(own)
        self._later = later
        self._names = list(dict.fromkeys([*own, *later]))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a command or a group
        if name not in self._loaded:
            self._loaded[name] = _command(name, self._later[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _command(name: str, later: Later) -> Any:  # noqa: ANN401 - a command or a group
    found = later.load()
    holder = typer.Typer(rich_markup_mode=MARKUP)
    if isinstance(found, typer.Typer):
        own = found.info.cls
        kind = own if isinstance(own, type) else lazy_group({})  # whose plain help cuts no lines
        holder.add_typer(found, name=name, cls=kind, rich_help_panel=later.panel)
    else:
        epilog = None if later.epilog is None else later.epilog()
        holder.command(name, epilog=epilog, rich_help_panel=later.panel)(found)
    return get_group(holder).commands[name]


def _shown(name: str, commands: Mapping[str, Any], later: Mapping[str, Later]) -> Any:  # noqa: ANN401
    """A command as its group's help shows it."""
    if name not in later:
        return commands[name]
    return TyperCommand(name, help=later[name].summary, rich_help_panel=later[name].panel)


def _summary(command: Any) -> str:  # noqa: ANN401
    paragraph: str = (command.short_help or command.help or "").split("\n\n")[0]
    return " ".join(paragraph.split())
