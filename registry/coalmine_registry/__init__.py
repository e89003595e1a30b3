"""The prompt registry: immutable versions, environments, approvals, deployments, experiments, audit.

`Registry` in `registry` is the way in. What is behind it:

- `semantic_version`, `classify`, `output_schema`, `deployment_state`: the rules, pure
- `roles`, `records`, `errors`: who may do what, what is kept, what can go wrong
- `operations`: what can be done, one idea per file; functions over an open transaction
- `storage`: SQLite or PostgreSQL, and their migrations
- `tokens`: bearer tokens on the same database
- `prompt_files`: prompts as files in git
"""
