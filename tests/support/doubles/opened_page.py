"""A page of the dashboard, run by Streamlit's own test harness."""

import re
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from coalmine_dashboards.parts.links import PageName

_MATHEMATICS = re.compile(r"(?<!\\)\$")
"""Two of them set what is between as a formula."""
Open = Callable[..., AppTest]
"""Opens a page with the query of its address."""


def opened_page(name: PageName, **query: str) -> AppTest:
    """Runs a page as if its address had this query; the process's environment names the server."""
    page = AppTest.from_string(
        f"from coalmine_dashboards.app import show\nshow({name!r})\n", default_timeout=30
    )
    for parameter, value in query.items():
        page.query_params[parameter] = value
    page.run()
    assert not page.exception, page.exception
    said = (*page.markdown, *page.caption, *page.subheader, *page.info, *page.warning, *page.error)
    assert [each.value for each in said if _MATHEMATICS.search(each.value)] == []
    return page


def html(page: AppTest) -> str:
    """All markup that the page draws by itself."""
    return "".join(str(element.proto.body) for element in page.get("html"))
