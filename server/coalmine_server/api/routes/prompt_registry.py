"""All routes of the prompt registry."""

from coalmine_server.api.routes import (
    audit_log,
    deployments,
    environments,
    experiments,
    promotions,
    prompts,
    tokens,
)

ROUTERS = tuple(
    each.router for each in (prompts, promotions, environments, experiments, deployments, audit_log, tokens)
)
