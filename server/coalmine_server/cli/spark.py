"""`coalmine spark local|submit`: reads the topics by Spark and writes batches that the server imports."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.named_file import named_path

if TYPE_CHECKING:
    from coalmine_server.settings import Settings
    from coalmine_spark.job import Decoding

spark_app = typer.Typer(
    name="spark",
    help="Read Kafka by Spark in place of the collector; the server imports what it writes.",
    no_args_is_help=True,
)

WorkersOption = Annotated[
    int, typer.Option(min=1, help="Tasks that divide each batch: cores of the workers.")
]
TriggerOption = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How often a batch begins.")]
MaxEventsOption = Annotated[int, typer.Option(min=1, help="Messages of one batch at most.")]
WithinOption = Annotated[
    float,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="How long ids are remembered; what is repeated later, the server drops with more work.",
    ),
]
OnceOption = Annotated[bool, typer.Option("--once", help="End when all that is in Kafka now is read.")]
PrintOption = Annotated[bool, typer.Option("--print", help="Print the command instead of running it.")]
JarOption = Annotated[
    list[Path],
    typer.Option(
        "--jar",
        help="Jar of Spark's Kafka source; may be given several times. By its Maven coordinates if not set.",
        show_default=False,
        parser=named_path,
    ),
]
ConfOption = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE", help="A setting of Spark; may be given several times.", show_default=False
    ),
]
MemoryOption = Annotated[str, typer.Option(help="Memory of the driver, as Spark writes it.")]


@spark_app.command()
def local(
    context: typer.Context,
    *,
    workers: WorkersOption = 2,
    trigger_s: TriggerOption = 10.0,
    max_events: MaxEventsOption = 2_000_000,
    duplicates_within_s: WithinOption = 600.0,
    once: OnceOption = False,
    driver_memory: MemoryOption = "1g",
    jar: JarOption = [],  # noqa: B006 - typer copies it
    conf: ConfOption = [],  # noqa: B006
    print_only: PrintOption = False,
) -> None:
    """Run Spark on this machine, until Ctrl-C.

    A server with the same `spark.dir` imports what it writes. Started again, it goes on where it was.
    """
    job = _job_file(context, workers, trigger_s, max_events, duplicates_within_s, once=once)
    _run(job, f"local[{workers}]", driver_memory, jar, conf, print_only=print_only)


@spark_app.command()
def submit(
    context: typer.Context,
    master: Annotated[str, typer.Argument(help="The cluster, as Spark names it: spark://HOST:7077, yarn.")],
    *,
    workers: WorkersOption = 8,
    trigger_s: TriggerOption = 10.0,
    max_events: MaxEventsOption = 2_000_000,
    duplicates_within_s: WithinOption = 600.0,
    once: OnceOption = False,
    driver_memory: MemoryOption = "1g",
    jar: JarOption = [],  # noqa: B006 - typer copies it
    conf: ConfOption = [],  # noqa: B006
    print_only: PrintOption = False,
) -> None:
    """Submit it to a cluster whose workers have coalmine[spark] installed and the folder mounted.

    The folder is `spark.dir`, at the same path on every worker and on the server, which imports from it.
    """
    job = _job_file(context, workers, trigger_s, max_events, duplicates_within_s, once=once)
    _run(job, master, driver_memory, jar, conf, print_only=print_only)


def _job_file(
    context: typer.Context,
    workers: int,
    trigger_s: float,
    max_events: int,
    duplicates_within_s: float,
    *,
    once: bool,
) -> Path:
    from coalmine_schemas.atomic_file import make_private_folder
    from coalmine_spark.job import Job, write_job

    settings = invocation(context).settings(quiet=False)
    folder = _folder(settings)
    make_private_folder(folder)
    job = Job(
        folder,
        _servers(settings),
        _decoding(settings),
        security={name: str(value) for name, value in _security(settings).items()},
        trigger_s=trigger_s,
        max_events=max_events,
        tasks=workers,
        duplicates_within_s=duplicates_within_s,
        once=once,
    )
    path = folder / "job.json"
    write_job(path, job)
    return path


def _folder(settings: "Settings") -> Path:
    from coalmine_schemas.discovery import expanded
    from coalmine_server.errors import ConfigurationError

    if settings.spark.dir is None:
        raise ConfigurationError(
            "spark.dir is not set", hint="set COALMINE_SPARK_DIR to the folder that the server imports from"
        )
    return expanded(settings.spark.dir)


def _servers(settings: "Settings") -> str:
    from coalmine_server.errors import ConfigurationError

    if settings.kafka.bootstrap_servers is None:
        raise ConfigurationError(
            "kafka.bootstrap_servers is not set",
            hint="Spark reads Kafka: set COALMINE_KAFKA_BOOTSTRAP_SERVERS",
        )
    return settings.kafka.bootstrap_servers


def _security(settings: "Settings") -> dict[str, str | int | bool]:
    from coalmine_server.kafka import kafka_security_config

    return kafka_security_config(settings.kafka)


def _decoding(settings: "Settings") -> "Decoding":
    from coalmine_schemas.own_prices import read_own_prices
    from coalmine_server.kafka import secret
    from coalmine_spark.job import Decoding, ModelPrice, SchemaRegistryLogin

    schema = settings.schema_
    registry = None
    if schema.registry_url is not None:
        registry = SchemaRegistryLogin(
            schema.registry_url,
            schema.registry_username,
            secret(schema.registry_password),
            schema.registry_ca_location,
        )
    own = [] if settings.pricing_file is None else read_own_prices(settings.pricing_file)
    prices = [ModelPrice(each.model, each.provider, dict(each.prices), each.service_tier) for each in own]
    return Decoding(settings.kafka.topic_prefix, registry, dict(settings.readout.ranges), prices)


def _run(
    job: Path, master: str, driver_memory: str, jars: list[Path], conf: list[str], *, print_only: bool
) -> None:
    from coalmine_server.errors import ConfigurationError
    from coalmine_spark.command import Submission, submit_command

    pairs = [each.partition("=") for each in conf]
    if any(not name or not middle for name, middle, _ in pairs):
        raise ConfigurationError("--conf takes NAME=VALUE")
    settings = {name: value for name, _, value in pairs}
    command = submit_command(Submission(job, master, driver_memory, tuple(jars), settings))
    if print_only:
        typer.echo(shlex.join(command))
        return
    for each in jars:
        if ":" not in str(each) and not each.is_file():  # a scheme such as local: is Spark's to look up
            raise ConfigurationError(f"there is no jar {each}")
    os.execvp(command[0], command)  # noqa: S606 - this process becomes Spark's, and has its signals
