"""The prompt registry: immutable versions, environments, approvals, deployments, experiments, audit.

Use `Registry` in `registry`. Behind it:

- `semantic_version`, `classify`, `output_schema`, `deployment_state`: the rules, pure
- `roles`, `records`, `errors`: who may do what, what the registry returns, what can go wrong
- `operations`: one operation per file; functions over an open transaction
- `storage`: SQLite or PostgreSQL, and migrations
- `tokens`: bearer tokens in the same database
- `prompt_imports`: prompts of other tools
- `prompt_files`: history, source and differences of prompts as files in git
"""
