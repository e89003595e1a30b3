"""Who else an action affects: what is served where, at which revision, and how much asks for it."""

from datetime import UTC, datetime, timedelta

from coalmine_consumers.results import VersionRow
from coalmine_dashboards.api import ApiError, NotFound, segment
from coalmine_dashboards.parts.viewer import client
from coalmine_registry.records import ENVIRONMENTS, DeploymentRecord


def deployment_of(prompt: str, environment: str) -> DeploymentRecord | None:
    """What an environment serves of a prompt now; None if nothing.

    Raises:
        ApiError: The server does not say.
    """
    path = f"/v1/environments/{segment(environment)}/prompts/{segment(prompt)}"
    try:
        return client().read(path, DeploymentRecord)
    except NotFound:
        return None


def here(prompt: str, environment: str) -> str:
    """How much asks for a prompt in one environment."""
    return f"{environment}: {_requests(prompt, environment)}"


def everywhere(prompt: str) -> str:
    """Where a prompt is served, with the revisions, and what ends if it goes back."""
    found = []
    for environment in ENVIRONMENTS:
        deployment = deployment_of(prompt, environment)
        if deployment is not None:
            found.append(served(deployment))
    return f"{'; '.join(found) or 'No environment serves it'}. {_requests(prompt, None)}"


def served(deployment: DeploymentRecord) -> str:
    """`prod at revision 7 serves 1.2.0, with the experiment refund-tone`."""
    running = f", with {', '.join(deployment.experiments)}" if deployment.experiments else ""
    return f"{deployment.environment} at revision {deployment.revision} serves {deployment.version}{running}"


def _requests(prompt: str, environment: str | None) -> str:
    """How much a change affects, as the last hour says."""
    since = datetime.now(UTC) - timedelta(hours=1)
    try:
        rows = client().items("/v1/versions", VersionRow, prompt=prompt, environment=environment, since=since)
    except ApiError:
        return "How many requests it affects is not known."
    if not rows:
        return "No requests in the last hour."
    each = ", ".join(f"{row.requests:,} of {row.version}" for row in rows)
    return f"Requests in the last hour: {each}."
