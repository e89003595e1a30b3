"""A browser that hangs costs one test its time, and not the run."""

import pytest
from playwright.sync_api import Error

from tests.support.processes.browser import KeptBrowser


def test_who_waits_for_a_browser_that_hangs_is_told_in_time_and_the_next_has_another(
    kept_browser: KeptBrowser,
) -> None:
    with kept_browser.within(3) as browser, pytest.raises(Error, match="has been closed"):
        browser.new_page().evaluate("() => { for (;;) {} }")
    with kept_browser.within(60) as another:
        page = another.new_page()
        assert page.evaluate("1 + 1") == 2
        page.context.close()
