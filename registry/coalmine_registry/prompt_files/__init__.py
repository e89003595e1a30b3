"""Prompts in git: `prompts/<name>/<version>.md`, YAML front matter above Jinja2.

- `markdown`: one file to and from a prompt's content
- `folder`: a folder of such files, in the order in which they can be registered
- `history`: which published versions a change in git would edit
"""
