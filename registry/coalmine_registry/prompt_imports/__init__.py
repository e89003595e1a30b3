"""Prompts of other tools, from what they export: names, versions, templates, labels and configuration.

- `templates`: their template languages, translated to ours or refused
- `imported`: what is common to all of them
- `langfuse`, `promptlayer`, `mlflow`, `promptfoo`: one reader each
- `into_folder`: writes what was read as prompt files
"""
