"""`python -m coalmine_dashboards [--host ADDRESS] [--port PORT]`."""

import argparse

from coalmine_dashboards.launch import DEFAULT_HOST, DEFAULT_PORT, main

parser = argparse.ArgumentParser(prog="python -m coalmine_dashboards", description="Serve the dashboard.")
parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (%(default)s)")
parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (%(default)s)")
arguments = parser.parse_args()
main(arguments.host, arguments.port)
