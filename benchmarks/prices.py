"""Costs of calls, from the reply a service records to the row a collector stores.

Each case is a usage as a provider or gateway sends it and the cost worked out from published prices
(`price_cases.py`). The client gets the reply; what it wrote to the spool is decoded and priced as a collector
does. Right is what costs exactly what the case says, to the nano-dollar.

Run alone: `python -m benchmarks.prices [--json]`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence

from benchmarks.price_cases import CASES, PriceCase
from coalmine import Coalmine
from coalmine_consumers.collector.pricing import Pricer
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_format import list_sealed, read_blocks


def costs(cases: Sequence[PriceCase]) -> list[int | None]:
    """What each case's call cost, in nano-dollars, as stored."""
    with tempfile.TemporaryDirectory() as folder:
        with Coalmine("bench", home=folder) as cm:
            for case in cases:
                with cm.call("p", version="1", model=case.model, provider=case.provider) as call:
                    call.time_ns = int(case.at.timestamp()) * 10**9  # prices are those of that day
                    for reply in case.replies:
                        call.record(reply)
            spool = cm.settings.spool_dir
        blocks = [block for file in list_sealed(spool) for block in read_blocks(file)]
    frames = [record.value for block in blocks for record in block]
    decoded = BatchDecoder(SchemaResolver()).decode("requests", frames)
    found: list[int | None] = Pricer().price_requests(decoded.table)["cost_nano_usd"].to_pylist()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the table of cases and, with --json, the line of figures; 1 if a cost is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prices", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    cases = [(group, case) for group, members in CASES.items() for case in members]
    found = costs([case for _, case in cases])
    right = 0
    print(f"{'':8}{'case':38}{'model':46}{'USD':>14}{'published':>14}")
    for (group, case), cost in zip(cases, found, strict=True):
        right += cost == case.nano_usd
        shown = "none" if cost is None else f"{cost / 1e9:.9f}"
        mark = "" if cost == case.nano_usd else "  wrong"
        print(f"{group:8}{case.name:38}{case.model[:44]:46}{shown:>14}{case.nano_usd / 1e9:>14.9f}{mark}")
    print(f"{right} of {len(cases)} right")
    if options.json:
        print(json.dumps({"cases": len(cases), "right": right}))
    return 0 if right == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
