"""All routes of the prompt registry."""

from coalmine_server.api.routes import (
    audit_log,
    deployments,
    environments,
    experiments,
    hygiene,
    promotions,
    prompts,
    tokens,
    versions,
)

ROUTERS = tuple(
    each.router
    for each in (
        prompts,
        versions,
        promotions,
        environments,
        experiments,
        deployments,
        audit_log,
        hygiene,
        tokens,
    )
)
