"""`coalmine alerts`: what fires, and what to do about it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from coalmine_schemas.safe_text import printable
from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.named_file import named_path, write_named
from coalmine_server.cli.options import (
    EnvironmentOption,
    PromptOption,
    asking,
    path_of,
)
from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table
from coalmine_server.errors import ConfigurationError

app = typer.Typer(
    help="See what fires, say that you look after it, silence it, and try rules and channels.",
    no_args_is_help=True,
)

FingerprintArgument = Annotated[
    str, typer.Argument(metavar="ALERT", help="Fingerprint of the alert; `coalmine alerts list` has it.")
]
WhyOption = Annotated[str, typer.Option("--reason", help="Reason, kept with what was done.")]

EXAMPLE_URL = "https://coalmine.example.com"
STATES = ("firing", "pending", "no_data", "resolved", "ok")


@app.command("list")
@tabular
def list_(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only alerts in this state ({', '.join(STATES)}); may be repeated; default: all but ok.",
            show_default=False,
        ),
    ] = None,
    prompt: PromptOption = None,
    environment: EnvironmentOption = None,
    rule: Annotated[str | None, typer.Option(help="Only alerts of this rule.", show_default=False)] = None,
    silences: Annotated[
        bool, typer.Option("--silences", help="List the silences in force, and no alerts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List alerts: what fires comes first."""
    question = {"state": state, "prompt": prompt, "environment": environment, "rule": rule}
    with asking(context, quiet=as_json) as client:
        if silences:
            _write_silences(client.items("/v1/alerts/silences"), as_json)
            return
        items = client.items("/v1/alerts", question)
    if as_json:
        write_json(items)
        return
    items.sort(key=lambda item: STATES.index(item["state"]))
    rows = [
        (
            item["state"],
            item["severity"],
            item["story"]["title"],
            _minute(item["since"]),
            _flags(item),
            item["rule"],
            item["fingerprint"],
        )
        for item in items
    ]
    columns = ["state", "severity", "what", "since", "", "rule", "alert"]
    write_table(columns, rows, empty="no alerts", wrapped=True)


@app.command()
def show(context: typer.Context, fingerprint: FingerprintArgument, *, as_json: AsJson = False) -> None:
    """Show one alert: its story, and what happened to it with who was told."""
    from coalmine_alerts.messages.plain import plain_text
    from coalmine_alerts.records import Notice
    from coalmine_alerts.results.alerts import Alert
    from coalmine_alerts.results.story import readable
    from coalmine_server.client import read_as
    from coalmine_server.services.alerting import dashboard_url

    with asking(context, quiet=as_json) as client:
        found = client.get(path_of("alerts", fingerprint))
        history = client.items(path_of("alerts", fingerprint, "transitions"))
    if as_json:
        write_json({**found, "transitions": history})
        return
    alert = read_as(Alert, found)
    environment = alert.labels.get("environment")
    group = f"{environment}|{alert.cause.kind}|{alert.cause.id}"
    notice = Notice(group=group, cause=alert.cause, environment=environment, alerts=(alert,))
    message = plain_text(notice, dashboard_url(invocation(context).settings()))
    typer.echo(printable(f"{message.title}\n\n{message.body}\n"))
    write_facts(
        {
            "alert": alert.fingerprint,
            "rule": alert.rule,
            **alert.labels,
            "state": f"{alert.state} since {alert.since:%Y-%m-%d %H:%M} UTC",
            "severity": alert.severity,
            "flags": _flags(found) or None,
        }
    )
    typer.echo()
    rows = [
        (
            _minute(each["transition"]["at"]),
            each["transition"]["kind"],
            each["transition"]["to_state"],
            readable(each["transition"]["summary"]),
            ", ".join(f"{one['channel']}: {one['state']}" for one in each["deliveries"]) or "nobody",
        )
        for each in history
    ]
    write_table(["at", "kind", "state", "what", "told"], rows, empty="nothing has happened", wrapped=True)


@app.command()
def ack(
    context: typer.Context,
    fingerprint: FingerprintArgument,
    *,
    reason: Annotated[str | None, typer.Option(help="What you do about it.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Say that you look after an alert: it is not repeated until it is resolved."""
    _act(
        context,
        path_of("alerts", fingerprint, "acknowledge"),
        {"reason": reason},
        as_json,
        "{acknowledged_by} looks after it",
    )


@app.command()
def accept(
    context: typer.Context, fingerprint: FingerprintArgument, *, reason: WhyOption, as_json: AsJson = False
) -> None:
    """Accept what an alert is about as the new normal: it is resolved, and its value the new reference."""
    _act(context, path_of("alerts", fingerprint, "accept"), {"reason": reason}, as_json, "accepted")


@app.command()
def mark(
    context: typer.Context,
    fingerprint: FingerprintArgument,
    *,
    useful: Annotated[
        bool, typer.Option("--useful/--noise", help="Whether it was worth your time.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Say whether an alert was useful or noise: the share of noise by rule is on the dashboard."""
    _act(context, path_of("alerts", fingerprint, "mark"), {"useful": useful}, as_json, "marked")


@app.command()
def silence(
    context: typer.Context,
    matchers: Annotated[
        list[str],
        typer.Argument(
            metavar="LABEL=VALUE...",
            help="rule=NAME, prompt=NAME, environment=NAME or another label; a value may end in *.",
        ),
    ],
    *,
    length: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d; 30 days at most.")
    ],
    reason: WhyOption,
    as_json: AsJson = False,
) -> None:
    """Silence alerts that have all of these labels: they are evaluated, but nobody is told."""
    from coalmine_server.moment import parse_length

    wanted = {}
    for each in matchers:
        name, _, value = each.partition("=")
        if not (name and value):
            raise typer.BadParameter(f"{each!r}: write LABEL=VALUE, e.g. prompt=summarize")
        if name in wanted:
            raise typer.BadParameter(f"{name} is named twice, and no alert has both: silence one by one")
        wanted[name] = value
    until = datetime.now(UTC) + parse_length(length)
    body = {"matchers": wanted, "until": until.isoformat(), "reason": reason}
    with asking(context, quiet=as_json) as client:
        found = client.post("/v1/alerts/silences", body)
    if as_json:
        write_json(found)
    else:
        end = f"`coalmine alerts unsilence {found['id']}` ends it"
        note(f"silenced until {_minute(found['ends_at'])} UTC; {end}")


@app.command()
def unsilence(
    context: typer.Context,
    silence_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, help="`coalmine alerts list --silences` lists them.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """End a silence before its time."""
    with asking(context, quiet=as_json) as client:
        found = client.post(path_of("alerts", "silences", str(silence_id), "end"), {})
    if as_json:
        write_json(found)
    else:
        note(f"silence {silence_id} has ended")


@app.command("test")
def test_(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.")],
    *,
    since: Annotated[str, typer.Option(metavar="TIME", help="How far to go back; 90 days at most.")] = "14d",
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Compare with this threshold; the same name again begins another variant.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try a rule on the past: when it would have fired, and how many messages that would have been."""
    variants: list[dict[str, str]] = [{}]
    for each in setting or ():
        name, _, value = each.partition("=")
        if not (name and value):
            raise typer.BadParameter(f"{each!r}: write NAME=VALUE, e.g. tolerance=5%")
        if len(variants) == 1 or name in variants[-1]:
            variants.append({})
        variants[-1][name] = value
    body = {"rule": rule, "since": since, "variants": variants}
    with asking(context, quiet=as_json) as client:
        found = client.post("/v1/alerts/test", body, slow=True)
    if as_json:
        write_json(found)
        return
    rows = [
        (
            ", ".join(f"{name}={value}" for name, value in each["settings"].items()) or "as configured",
            len(each["firings"]),
            each["messages"],
            f"{each['share_firing']:.1%}",
        )
        for each in found
    ]
    write_table(["thresholds", "fired", "messages", "time firing"], rows, empty="")
    _write_firings(found[-1]["firings"])
    for remark in dict.fromkeys(text for each in found for text in each["notes"]):
        note(remark)


@app.command("send-test")
def send_test_(
    context: typer.Context,
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="Name of the channel, such as slack or pagerduty.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Send one message of each kind to a channel, marked as a test; where it can, change it to be resolved.

    Asks no server: secrets are those of this command's settings and environment.
    """
    from coalmine_alerts.delivery.send_test import send_test
    from coalmine_alerts.messages.samples import samples
    from coalmine_server.errors import NotFound
    from coalmine_server.services.alerting import configuration_of, opened_channels

    settings = invocation(context).settings()
    known = {each.name: each for each in configuration_of(settings).channels}
    if channel not in known:
        if not known:
            raise ConfigurationError(
                "no channel is configured", "set COALMINE_ALERTS_SLACK_WEBHOOK_URL, or see docs/alerts.md"
            )
        raise NotFound.among(f'no channel is called "{channel}"', channel, list(known))
    opened = opened_channels(settings, [known[channel]])[channel]
    sent = send_test(opened, samples(datetime.now(UTC)))
    if as_json:
        write_json({kind: {"text": each.text, "body": each.body} for kind, each in sent.items()})
        return
    write_table(
        ["kind", "sent"], [(kind, each.text) for kind, each in sent.items()], empty="nothing was sent"
    )


@app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="Default: alerts.file, else alerts.yaml in the home.", parser=named_path
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check a file of rules, channels and owners, and say what it comes to. Secrets are not needed."""
    from coalmine_alerts.rules.defaults import DEFAULT_RULES
    from coalmine_server.services.alerting import configuration_of

    settings = invocation(context).settings(alerts__file=None if file is None else str(file))
    found = configuration_of(settings)
    on = {each.name: each for each in found.rules}
    rules = [
        {
            "rule": name,
            "on": name in on,
            "severity": on[name].severity if name in on else None,
            "what": rule.summary,
        }
        for name, rule in DEFAULT_RULES.items()
    ]
    channels = [{"name": each.name, "kind": each.kind} for each in found.channels]
    if as_json:
        write_json({"file": str(settings.alerts_file or ""), "rules": rules, "channels": channels})
        return
    note(f"{settings.alerts_file} is valid" if settings.alerts_file else "no file: what holds by default")
    rows = [(each["rule"], each["on"], each["severity"] or "its own", each["what"]) for each in rules]
    write_table(["rule", "on", "severity", "what it tells"], rows, empty="", wrapped=True)
    typer.echo()
    write_table(
        ["channel", "kind"],
        [(each["name"], each["kind"]) for each in channels],
        empty="no channel: nobody is told",
    )


@app.command()
def preview(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="One kind of message; default: each.")
    ] = None,
    *,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page that shows them as Slack does.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show messages as they would be sent, made up: their plain text, or with --json Slack's blocks."""
    from coalmine_alerts.messages.html import slack_page
    from coalmine_alerts.messages.plain import plain_text
    from coalmine_alerts.messages.samples import samples
    from coalmine_alerts.messages.slack import slack_message
    from coalmine_server.errors import NotFound

    found = samples(datetime.now(UTC))
    if kind is not None and kind not in found:
        raise NotFound.among(f'no message is called "{kind}"', kind, list(found))
    chosen = {name: found[name] for name in ([kind] if kind is not None else found)}
    drawn = {
        name: slack_message(notice, dashboard_url=EXAMPLE_URL, mode="bot", texts=True)
        for name, notice in chosen.items()
    }
    if html is not None:
        write_named(html, slack_page(drawn.items()))
    if as_json:
        write_json({name: {"text": one.text, "blocks": one.blocks} for name, one in drawn.items()})
        return
    for name, notice in chosen.items():
        message = plain_text(notice, EXAMPLE_URL)
        typer.echo(printable(f"--- {name}\n{message.title}\n\n{message.body}\n"))


def digest(
    context: typer.Context,
    *,
    week: Annotated[
        str | None,
        typer.Option(
            metavar="WEEK", help="ISO week, e.g. 2026-W47; default: the last whole one.", show_default=False
        ),
    ] = None,
    environment: EnvironmentOption = None,
    as_json: AsJson = False,
) -> None:
    """Sum up a week: what shipped and what it did, what needs a person, what could be tidied."""
    from coalmine_alerts.messages.digest import digest_notice
    from coalmine_alerts.messages.plain import plain_text
    from coalmine_alerts.results.digest import Digest
    from coalmine_server.client import read_as
    from coalmine_server.services.alerting import dashboard_url

    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/digest", {"week": week, "environment": environment}, slow=True)
    if as_json:
        write_json(found)
        return
    notice = digest_notice(read_as(Digest, found), datetime.now(UTC))
    message = plain_text(notice, dashboard_url(invocation(context).settings()))
    typer.echo(printable(f"{message.title}\n\n{message.body}"))


def _write_firings(firings: list[dict[str, Any]]) -> None:
    from coalmine_alerts.results.story import readable

    rows = [
        (
            _minute(each["fired_at"]),
            _minute(each["resolved_at"] or "") or "-",
            each["severity"],
            readable(each["summary"]),
        )
        for each in firings
    ]
    write_table(["fired", "until", "severity", "what"], rows, empty="it would not have fired", wrapped=True)


def _act(context: typer.Context, path: str, body: dict[str, object], as_json: bool, done: str) -> None:
    with asking(context, quiet=as_json) as client:
        found = client.post(path, body)
    if as_json:
        write_json(found)
    else:
        note(f"{done.format_map(found)}: {found['story']['title']}")


def _write_silences(items: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["id"],
            ", ".join(f"{name}={value}" for name, value in item["matchers"].items()),
            _minute(item["ends_at"]),
            item["created_by"],
            item["reason"],
        )
        for item in items
    ]
    write_table(["id", "silences", "until", "by", "reason"], rows, empty="nothing is silenced", wrapped=True)


def _flags(item: dict[str, Any]) -> str:
    """What is no state: who looks after it, and why nobody is told."""
    said = {
        "acknowledged_by": "{} looks after it",
        "silenced_until": "silenced",
        "inhibited_by": "held back by {}",
        "flapping_since": "flapping",
        "accepted_by": "accepted by {}",
    }
    return ", ".join(text.format(item[name]) for name, text in said.items() if item.get(name))


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")
