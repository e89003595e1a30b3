"""What tests ask of a page of the dashboard in a browser."""

from playwright.sync_api import Page, expect

WITHIN_MS = 120_000
SOMETHING = ".cm-table, [data-testid=stVegaLiteChart] .marks, [data-testid=stAlert]"
FAILED = "[data-testid=stException]"


def opened(page: Page, url: str) -> Page:
    """Opens a page and waits until it shows something, without an exception."""
    page.goto(url)
    expect(page.locator(SOMETHING).or_(page.locator(FAILED)).first).to_be_visible(timeout=WITHIN_MS)
    at_rest(page)
    return page


def at_rest(page: Page) -> None:
    """Waits until nothing is about to be drawn; a page that refreshes itself rests in between."""
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=WITHIN_MS)
    page.wait_for_function(
        """() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'""",
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
