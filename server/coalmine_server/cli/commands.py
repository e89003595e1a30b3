"""The commands of `coalmine` by name, with the first lines of their help and the headings they stand under.

The lines are those of the functions' docstrings, which help would have to import everything to read; a test
compares them.
"""

from typing import Final

from coalmine_server.cli.lazy_group import CommandModule, Later

ad_hoc = CommandModule("ad_hoc")
alerts = CommandModule("alerts")
backup = CommandModule("backup")
call = CommandModule("call")
configuration = CommandModule("configuration.commands")
datasets = CommandModule("evals.datasets")
dead_letters = CommandModule("dead_letters")
demo = CommandModule("demo")
evals = CommandModule("evals.group")
experiments = CommandModule("prompts.experiments")
explain = CommandModule("explain")
feedback_link = CommandModule("feedback_link")
forget = CommandModule("forget")
imports = CommandModule("prompts.imports")
inspect = CommandModule("prompts.inspect")
judge = CommandModule("evals.judge")
lifecycle = CommandModule("prompts.lifecycle")
mcp = CommandModule("mcp")
pipeline = CommandModule("pipeline")
promotions = CommandModule("prompts.promotions")
pull = CommandModule("prompts.pull")
push = CommandModule("prompts.push")
readout = CommandModule("readout")
review = CommandModule("review")
rollouts = CommandModule("prompts.rollouts")
safeguards = CommandModule("prompts.safeguards")
scorers = CommandModule("evals.scorers")
serve = CommandModule("serve")
setup = CommandModule("setup")
simulate = CommandModule("simulate")
spark = CommandModule("spark")
statistics = CommandModule("statistics")
suites = CommandModule("evals.suites")
timeline = CommandModule("timeline")
try_prompt = CommandModule("evals.try_prompt")
versions = CommandModule("versions")

RUN = "Run"
INSPECT = "Inspect"
MAINTAIN = "Maintain"
PROMPTS = "Prompts"
EVALUATE = "Evaluate"
SET_UP = "Set up"

COMMANDS: Final = {
    "serve": Later(
        serve.serve,
        "Serve prompts, ingest events and answer questions over HTTP, until SIGTERM or Ctrl-C.",
        RUN,
    ),
    "demo": Later(
        demo.demo,
        "Watch it work: simulated services, a rollout that completes, one that is rolled back, the "
        "dashboard.",
        RUN,
    ),
    "dashboard": Later(
        serve.dashboard,
        "Show the dashboard in a browser: it prints a link that signs you in; others sign in with a token.",
        RUN,
    ),
    "mcp": Later(
        mcp.mcp,
        "Let an agent read versions, readouts, rollouts and alerts: a server of the Model Context Protocol.",
        RUN,
    ),
    "replay": Later(
        simulate.replay,
        "Play a trace of real calls through the client: arrival times and token counts are real.",
        RUN,
    ),
    "simulate": Later(
        simulate.simulate,
        "Simulate services with users, versions, feedback and incidents, through the real client.",
        RUN,
    ),
    "versions": Later(
        versions.versions,
        "Compare versions: requests, errors, tokens, cost, latency, quality and thumbs of each.",
        INSPECT,
    ),
    "timeseries": Later(versions.timeseries, "Show the measures of each version over time.", INSPECT),
    "metrics": Later(versions.metrics, "List the metrics: unit, direction, role and margin.", INSPECT),
    "sql": Later(
        ad_hoc.sql, "Ask the store in SQL: read-only, on a snapshot, while the server runs.", INSPECT
    ),
    "export": Later(
        ad_hoc.export,
        "Write requests, feedback, scores and rollups of a period as Parquet, CSV or a DuckDB database.",
        INSPECT,
    ),
    "call": Later(
        call.call, "Show one call with its feedback and scores, as long as raw events are kept.", INSPECT
    ),
    "readout": Later(
        readout.readout,
        "Show the effect, interval and verdict of each metric of an experiment, and what to do.",
        INSPECT,
    ),
    "compare": Later(
        readout.compare,
        "Compare two versions that were not in an experiment, adjusted for models and segments.",
        INSPECT,
    ),
    "explain": Later(
        explain.explain,
        "Explain why a metric changed: between two versions (A, B), or since some time (--since).",
        INSPECT,
    ),
    "drift": Later(
        readout.drift,
        "Check whether a version that nobody changed still behaves as in its own first days.",
        INSPECT,
    ),
    "timeline": Later(timeline.timeline, "Show what happened to a prompt, oldest first.", INSPECT),
    "ingest-status": Later(
        pipeline.ingest_status, "Show collector status: lag, counts, losses, dead letters, sizes.", INSPECT
    ),
    "digest": Later(
        alerts.digest,
        "Sum up a week: what shipped and what it did, what needs a person, what could be tidied.",
        INSPECT,
    ),
    "stats-check": Later(
        statistics.stats_check,
        "Run our sequential test over cumulative statistics of experiments, from any source.",
        INSPECT,
    ),
    "calibrate": Later(
        statistics.calibrate,
        "Simulate experiments in which nothing differs, and count how often our tests say that "
        "something does.",
        MAINTAIN,
    ),
    "init": Later(
        push.init, "Make a folder of prompts with two versions of an example, to edit and to push.", PROMPTS
    ),
    "push": Later(
        push.push,
        "Register the versions of a folder that are not registered yet. Pushing again changes nothing.",
        PROMPTS,
    ),
    "pull": Later(
        pull.pull,
        "Write the versions of the registry to files. Files with the same content stay as they are.",
        PROMPTS,
    ),
    "plan": Later(
        configuration.plan,
        "Show how the registry differs from files of configuration, and what `apply` would do. Changes "
        "nothing.",
        PROMPTS,
        configuration.PLAN_EXIT_CODES,
    ),
    "apply": Later(
        configuration.apply,
        "Make the registry agree with files of configuration. Applying again changes nothing.",
        PROMPTS,
    ),
    "check-prompts": Later(
        push.check_prompts,
        "Reject files that are not valid prompts, and changes of published versions.",
        PROMPTS,
    ),
    "diff": Later(
        inspect.diff,
        "Show how two versions differ, line by line, and the version bump that each change needs.",
        PROMPTS,
    ),
    "log": Later(
        inspect.log,
        "Show the history of a prompt, newest first: who registered, promoted, experimented, rolled back.",
        PROMPTS,
    ),
    "promote": Later(promotions.promote, "Request that an environment serve a version.", PROMPTS),
    "promotions": Later(
        inspect.promotions,
        "List promotions, newest first; `coalmine approve ID` applies a pending one.",
        PROMPTS,
    ),
    "approve": Later(
        promotions.approve,
        "Apply a pending promotion. Needs the token of an approver who did not write the version.",
        PROMPTS,
    ),
    "reject": Later(promotions.reject, "Reject a pending promotion. The requester may withdraw it.", PROMPTS),
    "rollback": Later(
        promotions.rollback,
        "Serve an earlier version again and stop running experiments. Needs no approval.",
        PROMPTS,
    ),
    "offer": Later(
        promotions.offer,
        "Let users opt in to a version: `cm.prompt(NAME, prefer=VERSION)` serves it. Others keep theirs.",
        PROMPTS,
    ),
    "withdraw": Later(
        promotions.withdraw,
        "Withdraw a version that users could opt in to: they get what everybody gets.",
        PROMPTS,
    ),
    "freeze": Later(
        safeguards.freeze,
        "Freeze: nothing more is shown to anybody until it ends. Going back always remains possible.",
        PROMPTS,
    ),
    "unfreeze": Later(safeguards.unfreeze, "End a freeze.", PROMPTS),
    "panic": Later(
        safeguards.panic,
        "Go back everywhere, now: end experiments and rollouts of a prompt, and freeze it. Needs no "
        "approval.",
        PROMPTS,
    ),
    "deployments": Later(
        inspect.deployments,
        "List what an environment serves, or served at some time, of each prompt.",
        PROMPTS,
    ),
    "retire": Later(
        lifecycle.retire,
        "Retire a version that is not served: it cannot be served any more, and stays readable.",
        PROMPTS,
    ),
    "archive": Later(lifecycle.archive, "Archive a retired version. It stays readable.", PROMPTS),
    "rules": Later(
        lifecycle.rules,
        "Print the targeting rules of a prompt as JSON, or replace them; the first rule that matches "
        "decides.",
        PROMPTS,
    ),
    "policy": Later(
        lifecycle.policy,
        "Print what an environment requires as JSON, or change it (admins): what is not given stays as "
        "it is.",
        PROMPTS,
    ),
    "hygiene": Later(
        inspect.hygiene,
        "List versions that could be retired: not served, not used, and not among the newest.",
        PROMPTS,
    ),
    "snapshot": Later(
        pull.snapshot,
        "Write everything that an environment serves to a JSON file: a fallback to ship with an application.",
        PROMPTS,
    ),
    "try": Later(
        try_prompt.try_prompt,
        "Try a prompt on single cases: what is asked, what is answered, and how it scores.",
        EVALUATE,
    ),
    "audit": Later(
        pipeline.audit, "Check that every message is accounted for, and list what is missing.", MAINTAIN
    ),
    "rebuild": Later(
        pipeline.rebuild,
        "Recount rollups and experiment cells from raw rows; the numbers must come out the same.",
        MAINTAIN,
    ),
    "forget": Later(
        forget.forget,
        "Forget users: identifiers, texts, comments and dataset cases go, numbers stay. Cannot be undone.",
        MAINTAIN,
    ),
    "backup": Later(
        backup.backup,
        "Back up store, registry, alerts, evaluations, spool and settings, while the server runs.",
        MAINTAIN,
    ),
    "restore": Later(
        backup.restore, "Restore a backup into an empty home, with no server running there.", MAINTAIN
    ),
    "feedback-link": Later(
        feedback_link.feedback_link,
        "Make a link by which whoever has it may give this one call a thumb, without a token.",
        SET_UP,
    ),
    "spark": Later(
        spark.spark_app,
        "Read Kafka by Spark in place of the collector; the server imports what it writes.",
        RUN,
    ),
    "alerts": Later(
        alerts.app,
        "See what fires, say that you look after it, silence it, and try rules and channels.",
        INSPECT,
    ),
    "import": Later(
        imports.import_app,
        "Bring prompts from other tools into a folder of prompt files. Needs no server.",
        PROMPTS,
    ),
    "prompts": Later(
        inspect.prompts_app,
        "List prompts and what each environment serves; `show` prints the text of a version.",
        PROMPTS,
    ),
    "experiment": Later(experiments.app, "Start, reweight and stop experiments between versions.", PROMPTS),
    "rollout": Later(
        rollouts.app,
        "Roll a version out in steps, by proof: it advances, waits, or is taken back, and says why.",
        PROMPTS,
    ),
    "evidence": Later(
        safeguards.evidence_app,
        "Record what was checked of a version, and list it: what policies may require.",
        PROMPTS,
    ),
    "evals": Later(
        evals.evals_app, "Try versions of prompts on cases before anybody is served them.", EVALUATE
    ),
    "dataset": Later(
        datasets.dataset_app,
        "Import cases that versions are tried on, compare them, and take new ones from production.",
        EVALUATE,
    ),
    "suite": Later(
        suites.suite_app,
        "Say what good means for a prompt: cases, scorers and margins, as a file that is reviewed.",
        EVALUATE,
    ),
    "judge": Later(
        judge.judge_app,
        "Measure judges, which are prompts that score answers: by people, under attack, from day to day.",
        EVALUATE,
    ),
    "scorers": Later(scorers.scorers_app, "See which scorers suites can use.", EVALUATE),
    "review": Later(
        review.app, "Answer questions about production requests, and see how far people agree.", EVALUATE
    ),
    "dead-letters": Later(
        dead_letters.app,
        "Inspect messages that could not be stored; store them again or discard them.",
        MAINTAIN,
    ),
    "token": Later(setup.token_app, "Create, list and revoke bearer tokens of the HTTP API.", SET_UP),
    "settings": Later(setup.settings_app, "Show which settings are in effect and their origins.", SET_UP),
}
