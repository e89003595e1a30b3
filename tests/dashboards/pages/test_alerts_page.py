"""The page of alerts that stays open in a browser while alerts change, over a server that answers as told."""

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from coalmine_alerts.results.alerts import Alert
from tests.support.data.alert_answers import ALERT, FIRING, OTHER, alert_handlers
from tests.support.data.drift_answers import json_of
from tests.support.data.eval_answers import page as page_of
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.eventually import eventually
from tests.support.processes.dashboard_process import dashboard_process, link_of
from tests.support.processes.seen_page import WITHIN_MS, opened


def test_the_alert_that_one_looks_at_stays_while_alerts_change_and_end(
    stranger: Page, tmp_path: Path
) -> None:
    page = stranger
    (tmp_path / "credentials").write_text("secret", encoding="utf-8")
    worse = replace(ALERT, story=replace(ALERT.story, title="Quality fell 9.9 %"))
    over = replace(worse, state="ok")
    with (
        DashboardApi(alert_handlers()) as api,
        dashboard_process(tmp_path, {"COALMINE_SERVER_URL": api.url, "COALMINE_TOKEN": "secret"}) as url,
    ):
        assert page.context.request.get(link_of(url, tmp_path)).ok
        # More urgent than the one that is chosen, whose place and words change.
        first = replace(OTHER, severity="page", silenced_until=None)
        api.handlers["/v1/alerts"] = lambda _parameters: page_of(list[Alert], [first, ALERT])
        opened(page, f"{url}/alerts")
        page.get_by_role("combobox", name="Alert", exact=True).click()
        page.get_by_role("option", name="firing: Quality fell 5.2 %").click()
        card = page.locator(".st-key-alert-card")
        expect(card).to_contain_text("Quality fell 5.2 %", timeout=WITHIN_MS)
        api.handlers["/v1/alerts"] = lambda _parameters: page_of(list[Alert], [first, worse])
        expect(card).to_contain_text("Quality fell 9.9 %", timeout=WITHIN_MS)
        api.asked.clear()  # the words that the browser has are old only when it asks again
        eventually(lambda: api.asked.count(("/v1/alerts", {"limit": "200"})) > 1, what="refreshes")
        expect(card).to_contain_text("Quality fell 9.9 %", timeout=WITHIN_MS)
        api.handlers[f"/v1/alerts/{FIRING}"] = lambda _parameters: json_of(Alert, over)
        api.handlers["/v1/alerts"] = lambda _parameters: page_of(list[Alert], [first])
        expect(card).to_contain_text("ok since", timeout=WITHIN_MS)
        expect(card).to_contain_text("Quality fell 9.9 %", timeout=WITHIN_MS)
