"""The prompt registry: immutable versions, environments, approvals, deployments, experiments, audit."""
