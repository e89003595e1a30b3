"""Prompts as files: `prompts/<name>/<version>.md`, YAML front matter above Jinja2.

Needs PyYAML and semver, which the base install does without: only who reads such files imports it.

- `markdown`: one file to and from a prompt's content
- `front_matter`: the YAML above the template
- `places`: in which line of a file a mistake is
- `folder`: a folder of such files, in the order in which they can be registered
"""
