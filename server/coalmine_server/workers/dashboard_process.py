"""The dashboards are a process of their own: Streamlit, told where the server is."""

import importlib.util
import os
import sys
from collections.abc import Mapping

from coalmine_server.api.http_server import HttpServer
from coalmine_server.settings import DashboardSettings, Settings


def dashboard_address(settings: DashboardSettings) -> tuple[str, int]:
    """Address and port to listen on; a free port where the settings say 0.

    Raises:
        AddressInUse: The port is taken.
    """
    probe = HttpServer(settings.host, settings.port)
    try:
        return settings.host, probe.port
    finally:
        probe.stop(0)


def dashboard_command(host: str, port: int) -> list[str]:
    """The command that runs the pages.

    Raises:
        ModuleNotFoundError: Streamlit or the pages are not installed.
    """
    for name in ("streamlit", "coalmine_dashboards"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    # Run, not imported: the pages share no code with the server. The process becomes Streamlit itself.
    return [sys.executable, "-m", "coalmine_dashboards", "--host", host, "--port", str(port)]


def dashboard_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of that process: this one's, and where the server is.

    The credentials of the home are read by the pages themselves, so that they follow a server that restarts.
    """
    environment = dict(os.environ if environ is None else environ)
    environment["COALMINE_HOME"] = str(settings.home)
    if settings.server.url is not None:
        environment["COALMINE_SERVER_URL"] = settings.server.url
    if settings.token is not None:
        environment["COALMINE_TOKEN"] = settings.token.get_secret_value()
    return environment
