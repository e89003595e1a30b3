"""Cost of a call for the service that makes it, beside the cost of the obvious alternatives.

A request parses a reply's JSON, as every service does; that is the timed body. Each side wraps it in what
it does to have an event sent, and what it takes beyond the body is its overhead. The sides take turns, in
bursts of ten requests with a pause between bursts, so that they share whatever else the machine does.

* an empty block: what measuring itself costs;
* coalmine: enter to exit of `cm.call(...)` with `call.record(reply)`, by way of Kafka and of the spool;
* plain: the same event encoded by fastavro and given to confluent-kafka in the request's own thread.

A second table shows each side when every request comes alone, after a pause of 5 ms, as in a service with
little to do: the processor's caches are cold then, which makes every Python function several times slower.

A third says what `import coalmine` takes beyond an empty interpreter, in processes of their own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from fastavro import schemaless_writer

from coalmine import Coalmine
from coalmine_schemas.catalogue import latest
from coalmine_schemas.events import PromptRequest
from coalmine_schemas.framing import single_object_header
from coalmine_schemas.identifiers import unit_group, uuid7
from coalmine_schemas.topics import topic_name
from tests.support.data.replies import OPENAI_CHAT
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.server_choice import ServerUnavailable

PREFIX = "bench-client."
BURST = 10
PAUSE_S = 0.005
_REPLY_JSON = json.dumps(OPENAI_CHAT)

Request = Callable[[], int]
"""Serves one request and returns its overhead in nanoseconds."""


@dataclass(slots=True)
class Side:
    """One way to send events."""

    name: str
    request: Request
    overheads_ns: list[int] = field(default_factory=list)

    def quantile_us(self, q: float) -> float:
        """Overhead that a share `q` of the requests did not exceed, microseconds."""
        ordered = sorted(self.overheads_ns)
        return ordered[min(len(ordered) - 1, int(len(ordered) * q))] / 1000


def by_nothing() -> int:
    """The body alone."""
    entered = time.perf_counter_ns()
    with nullcontext():
        began = time.perf_counter_ns()
        json.loads(_REPLY_JSON)
        ended = time.perf_counter_ns()
    return time.perf_counter_ns() - entered - (ended - began)


def by_coalmine(cm: Coalmine) -> Request:
    """The body inside a call of ours."""

    def request() -> int:
        entered = time.perf_counter_ns()
        with cm.call(
            "support-refund",
            version="1.2.0",
            model="gpt-4o-mini",
            unit_id="user-4711",
            segments={"tier": "enterprise"},
        ) as call:
            began = time.perf_counter_ns()
            reply = json.loads(_REPLY_JSON)
            ended = time.perf_counter_ns()
            call.record(reply)
        return time.perf_counter_ns() - entered - (ended - began)

    return request


def by_hand(producer: Producer) -> Request:
    """The body, then the event encoded and produced on the spot, without a price."""
    schema = latest("requests")
    header = single_object_header(schema)
    topic = topic_name("requests", PREFIX)

    def request() -> int:
        entered = time.perf_counter_ns()
        event_us = time.time_ns() // 1000
        began = time.perf_counter_ns()
        reply = json.loads(_REPLY_JSON)
        ended = time.perf_counter_ns()
        usage = reply["usage"]
        record: dict[str, Any] = PromptRequest(
            request_id=uuid7(),
            event_time=event_us,  # type: ignore[arg-type]  # the encoder takes microseconds, too
            app="bench",
            environment="prod",
            prompt="support-refund",
            version="1.2.0",
            unit_group=unit_group("user-4711"),
            resolution="fixed",
            unit_id="user-4711",
            request_model="gpt-4o-mini",
            response_model=reply["model"],
            input_tokens=usage["prompt_tokens"],
            cached_input_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            output_tokens=usage["completion_tokens"],
            finish_reason=reply["choices"][0]["finish_reason"],
            latency_ms=(ended - began) / 1e6,
            segments={"tier": "enterprise"},
        ).to_record()
        out = BytesIO()
        out.write(header)
        schemaless_writer(out, schema.parsed, record)
        producer.produce(topic, out.getvalue(), b"user-4711")
        producer.poll(0)
        return time.perf_counter_ns() - entered - (ended - began)

    return request


def measure(sides: list[Side], *, requests: int, burst: int) -> None:
    """Lets the sides take turns until each has served `requests`."""
    for side in sides:
        side.overheads_ns.clear()
        for _ in range(50):  # warm up: first events start threads
            side.request()
    for _ in range(requests // burst):
        for side in sides:
            time.sleep(PAUSE_S)
            side.overheads_ns += [side.request() for _ in range(burst)]


def import_cost() -> tuple[float, float]:
    """Processor time in milliseconds and memory in MB that `import coalmine` takes."""
    bare, imported = (_process(program) for program in ("pass", "import coalmine"))
    return imported[0] - bare[0], imported[1] - bare[1]


def _process(program: str) -> tuple[float, float]:
    """Median processor time in milliseconds, and peak memory in MB, of a process that runs a program."""
    # ru_maxrss would include this process's memory, which the child had before its exec.
    told = "import time, re; peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]"
    command = [
        sys.executable,
        "-c",
        f"{program}; {told}; print(time.process_time() * 1000, int(peak) / 1024)",
    ]
    outputs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(10)]
    cpu_ms, peak_mb = zip(*(map(float, output.split()) for output in outputs), strict=True)
    return statistics.median(cpu_ms), statistics.median(peak_mb)


def print_table(title: str, sides: list[Side]) -> None:
    """One row per side."""
    print(f"\n{title}")
    print(f"{'':<46}{'p50 us':>10}{'p99 us':>10}")
    for side in sides:
        print(f"{side.name:<46}{side.quantile_us(0.5):>10.1f}{side.quantile_us(0.99):>10.1f}")


def _broker(stack: ExitStack) -> KafkaBroker | None:
    try:
        return stack.enter_context(KafkaBroker())
    except ServerUnavailable as reason:
        print(f"without Kafka: {reason}", file=sys.stderr)
        return None


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints the tables and, if asked, a last line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="requests a side (default: %(default)s)")
    parser.add_argument("--no-kafka", action="store_true", help="measure by way of the spool only")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)

    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        spooling = stack.enter_context(Coalmine("bench", home=home / "spooling"))
        sides = [Side("empty block", by_nothing), Side("coalmine to the spool", by_coalmine(spooling))]
        clients = [spooling]
        broker = None if options.no_kafka else _broker(stack)
        if broker is not None:
            broker.create_topics(topic_name("requests", PREFIX), partitions=3)
            servers = broker.bootstrap_servers
            sending = stack.enter_context(
                Coalmine("bench", home=home / "sending", kafka_bootstrap_servers=servers, topic_prefix=PREFIX)
            )
            clients.append(sending)
            sides.append(Side("coalmine to Kafka", by_coalmine(sending)))
            plain = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "log_level": 0})
            stack.callback(plain.flush, 30)
            sides.append(Side("plain fastavro + confluent-kafka, same thread", by_hand(plain)))

        ours = sides[2] if len(sides) > 2 else sides[1]
        measure(sides, requests=max(options.requests // 20, BURST), burst=1)
        print_table("Beyond the body, every request alone after a pause of 5 ms", sides)
        alone_p50 = ours.quantile_us(0.5)
        measure(sides, requests=options.requests, burst=BURST)
        print_table("Beyond the body, in bursts of ten requests", sides)

        for client in clients:
            client.flush(30)
            stats = client.stats()
            if stats.dropped or stats.queued:
                print(f"events were lost: {stats}", file=sys.stderr)
                return 1
        import_ms, import_mb = import_cost()
        print(f"\nimport coalmine: {import_ms:.0f} ms of processor time, {import_mb:.1f} MB")
        result = {
            "import_cpu_ms": round(import_ms, 1),
            "import_mb": round(import_mb, 1),
            "call_overhead_us_p50": round(ours.quantile_us(0.5), 2),
            "call_overhead_us_p99": round(ours.quantile_us(0.99), 2),
            "alone_call_overhead_us_p50": round(alone_p50, 2),
        }
        if len(sides) > 3:
            result["plain_overhead_us_p50"] = round(sides[3].quantile_us(0.5), 2)
            result["plain_overhead_us_p99"] = round(sides[3].quantile_us(0.99), 2)
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
