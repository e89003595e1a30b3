"""All routes of the prompt registry."""

from coalmine_server.api.routes import access, deployments, environments, experiments, promotions, prompts

ROUTERS = (
    *(each.router for each in (prompts, promotions, environments, experiments, deployments)),
    access.audit_router,
    access.tokens_router,
)
