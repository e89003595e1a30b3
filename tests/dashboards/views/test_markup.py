import pytest

from coalmine_dashboards.views.markup import plain


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("support-refund 1.2.0", "support\\-refund 1\\.2\\.0"),
        ("![x](http://evil/x.png)", r"\!\[x\]\(http\:\/\/evil\/x\.png\)"),
        ("<img src=x>", r"\<img src\=x\>"),
        (":red[x] $x$ `x` **x**", r"\:red\[x\] \$x\$ \`x\` \*\*x\*\*"),
        ("two\n\n# lines", r"two \# lines"),
        ("Grüße, 你好", r"Grüße\, 你好"),
        ("refund\u200b\u202e", "refund\\\\u200b\\\\u202e"),
    ],
)
def test_a_name_is_shown_as_it_is(text: str, markdown: str) -> None:
    assert plain(text) == markdown
