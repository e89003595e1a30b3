"""Prompt files and git: what happened to them there, and how two versions differ as files.

The files themselves are read and written by `coalmine_schemas.prompt_files`.

- `history`: which published versions a change in git would edit
- `source`: commit, author and pull request of a file
- `diff`: two versions, line by line
"""
