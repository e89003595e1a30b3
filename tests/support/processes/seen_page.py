"""What tests ask of a page of the dashboard in a browser."""

from playwright.sync_api import Page

WITHIN_MS = 120_000
SOMETHING = ".cm-table, [data-testid=stVegaLiteChart] .marks, [data-testid=stAlert]"
FAILED = "[data-testid=stException]"


def opened(page: Page, url: str) -> Page:
    """Opens a page and waits until it shows something, without an exception."""
    page.goto(url)
    # Not `expect`: each time it finds nothing yet, it has the page describe all that there is.
    page.locator(SOMETHING).or_(page.locator(FAILED)).first.wait_for(timeout=WITHIN_MS)
    at_rest(page)
    return page


def at_rest(page: Page) -> None:
    """Waits until nothing is about to be drawn; a page that refreshes itself rests in between."""
    page.wait_for_function(
        """() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
            && !document.querySelector('[data-testid=stSkeleton]')
            && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]
                .every(chart => chart.querySelector('.marks'))""",
        timeout=WITHIN_MS,
    )
    assert page.locator(FAILED).all_inner_texts() == []


def too_wide(page: Page) -> list[str]:
    """What reaches beyond the page, where it can be scrolled to sideways."""
    found: list[str] = page.evaluate(
        """() => {
            const main = document.querySelector('[data-testid=stMain]');
            if (main.scrollWidth <= main.clientWidth + 1) return [];
            const edge = main.getBoundingClientRect().right + 1;
            return [...main.querySelectorAll('*')]
                .filter(each => each.getBoundingClientRect().right > edge && !each.closest('.cm-scroll'))
                .map(each => each.outerHTML.slice(0, 120));
        }"""
    )
    return found


def cut_tables(page: Page) -> list[str]:
    """Names of the tables whose last columns are out of sight until somebody scrolls."""
    found: list[str] = page.locator(".cm-scroll").evaluate_all(
        """tables => tables.filter(each => each.scrollWidth > each.clientWidth + 1)
            .map(each => each.getAttribute('aria-label'))"""
    )
    return found
