"""`python -m coalmine_dashboards [--host ADDRESS] [--port PORT] [--until-stdin-ends]`."""

import argparse

from coalmine_dashboards.launch import DEFAULT_HOST, DEFAULT_PORT, end_with_stdin, main

parser = argparse.ArgumentParser(prog="python -m coalmine_dashboards", description="Serve the dashboard.")
parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (%(default)s)")
parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (%(default)s)")
parser.add_argument("--until-stdin-ends", action="store_true", help="end with the process that started this")
arguments = parser.parse_args()
if arguments.until_stdin_ends:
    end_with_stdin()
main(arguments.host, arguments.port)
