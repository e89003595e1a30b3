"""MLflow's page of traces in the same browser, for comparison."""

import statistics
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx2
from playwright.sync_api import Browser

from benchmarks.mlflow_venv import mlflow_python
from tests.support.eventually import eventually
from tests.support.servers.ports import free_port

PEER_TRACES: Final = 2_000
"""Of one experiment; writing one takes MLflow milliseconds."""
START_S: Final = 600.0
"""Its four workers import everything each."""

_WRITE: Final = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
print(mlflow.set_experiment("refund").experiment_id)
for number in range(int(sys.argv[2])):
    with mlflow.start_span("chat") as span:
        span.set_inputs({"question": f"question {number}"})
        span.set_outputs({"answer": "answer"})
        span.set_attributes({"version": f"1.{number % 5}.0", "model": "gpt-4o-mini"})
mlflow.flush_trace_async_logging()
"""


def peer_ready_s(browser: Browser, folder: Path, openings: int) -> dict[str, float]:
    """Seconds until the page lists traces, median of some openings; the first is not counted.

    Args:
        browser: Opens the page.
        folder: Where MLflow is installed, unless it is, and keeps its traces, which are written anew.
        openings: How many count.
    """
    python = mlflow_python(folder)
    file, url = folder / "mlflow.db", f"http://127.0.0.1:{free_port()}"
    file.unlink(missing_ok=True)
    store = f"sqlite:///{file.absolute()}"
    written = subprocess.run(
        [python, "-c", _WRITE, store, str(PEER_TRACES)], check=True, stdout=subprocess.PIPE, text=True
    )
    experiment = written.stdout.split()[0]
    line = [
        str(python),
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--port",
        url.rpartition(":")[2],
    ]
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(line, cwd=folder, stdout=log, stderr=log)
    try:
        eventually(lambda: _is_up(url), within_s=START_S, what="MLflow's start")
        times = [_ready_s(browser, f"{url}/#/experiments/{experiment}/traces") for _ in range(openings + 1)]
    finally:
        server.terminate()
        server.wait(30)
    return {"mlflow_traces": PEER_TRACES, "mlflow_ready_s_p50": round(statistics.median(times[1:]), 3)}


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", trust_env=False).is_success
    except httpx2.TransportError:
        return False


def _ready_s(browser: Browser, url: str) -> float:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        began = time.perf_counter()
        page.goto(url)
        page.get_by_text("question 1", exact=False).first.wait_for(timeout=120_000)
        return time.perf_counter() - began
