"""What people see who open a feedback link, and the script for pages of others.

The page has no style and no script, which the headers of every answer forbid.

Opening a link stores nothing: mail scanners and previews open every link. Pressing a button does.
"""

from html import escape
from importlib.resources import files
from typing import Final

THUMBS_SCRIPT: Final = (files("coalmine_server.api") / "thumbs.js").read_bytes()
"""Draws two buttons into each element with `data-coalmine-feedback`; at most 2 kB."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Feedback</title>
<h1>{title}</h1>
{body}
</html>
"""
_FORM: Final = '<form method="post" action="{action}"><button>{label}</button></form>\n'


def vote_page(query: str) -> str:
    """The page of a link: two buttons.

    Args:
        query: The link's own, as it came.
    """
    forms = "".join(
        _FORM.format(action=escape(f"?{query}&thumbs={thumbs}"), label=label)
        for thumbs, label in (("up", "👍 Yes"), ("down", "👎 No"))
    )
    return _PAGE.format(title="Was the answer good?", body=forms)


def said_page(title: str, text: str) -> str:
    """A page that says one thing."""
    return _PAGE.format(title=escape(title), body=f"<p>{escape(text)}</p>")
