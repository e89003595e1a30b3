"""The difference of two versions as HTML: signs say what was added and removed, colours repeat it."""

from coalmine_dashboards.views.markup import escape
from coalmine_registry.records import Diff

_MOST_LINES = 2_000


def diff_html(diff: Diff) -> str:
    """Returns the lines of a diff; texts are shown as they are."""
    shown = "".join(
        f'<span class="cm-{line.kind}">{escape(line.text) or " "}</span>' for line in diff.lines[:_MOST_LINES]
    )
    rest = len(diff.lines) - _MOST_LINES
    more = f'<span class="cm-place">{rest:,} more lines: coalmine diff shows them.</span>' if rest > 0 else ""
    name = escape(f"What changed from {diff.a} to {diff.b}")
    return f'<pre class="cm-diff" tabindex="0" role="region" aria-label="{name}">{shown}{more}</pre>'
