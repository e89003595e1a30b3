"""What people do on the pages, in a browser: who may, and that it is done."""

import httpx2
from playwright.sync_api import Page, expect

from tests.dashboards.pages.test_links import asked
from tests.support.processes.seen_page import WITHIN_MS, opened
from tests.support.servers.demo_dashboard import DemoDashboard

UNDER_WAY = ("pending", "running", "paused", "baking")


def test_panic_goes_back_to_what_served_before(page: Page, demo: DemoDashboard) -> None:
    under_way = [each for each in asked(demo, "/v1/rollouts")["items"] if each["state"] in UNDER_WAY]
    rollout = under_way[0]
    opened(page, f"{demo.url}/rollouts?rollout={rollout['id']}")
    page.get_by_role("button", name="Panic").click(timeout=WITHIN_MS)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(rollout["prompt"], timeout=WITHIN_MS)
    dialog.get_by_role("button", name="Panic").click()
    expect(dialog).to_contain_text("Give a reason first", timeout=WITHIN_MS)
    dialog.get_by_label("Reason").press_sequentially("it answers ")
    httpx2.post(
        f"{demo.server_url}/v1/rollouts/{rollout['id']}/pause",
        json={"reason": "somebody else acts"},
        headers={"Authorization": f"Bearer {demo.token}"},
        trust_env=False,
    ).raise_for_status()
    expect(page.get_by_text("somebody else acts").first).to_be_visible(timeout=WITHIN_MS)
    dialog.get_by_label("Reason").press_sequentially("in verse")
    expect(dialog.get_by_label("Reason")).to_have_value("it answers in verse")
    dialog.get_by_role("button", name="Panic").click()
    expect(dialog).not_to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_test_id("stToast").first).to_be_visible(timeout=WITHIN_MS)
    place = asked(demo, f"/v1/environments/prod/prompts/{rollout['prompt']}")
    assert place["default"]["version"] == rollout["control"]
    frozen = asked(demo, "/v1/freezes")["items"]
    assert any(each["prompt"] == rollout["prompt"] for each in frozen)


def test_dead_letters_are_replayed_and_the_rest_says_why_it_still_fails(
    page: Page, demo: DemoDashboard
) -> None:
    opened(page, f"{demo.url}/pipeline")
    page.get_by_role("button", name="Replay").click(timeout=WITHIN_MS)
    page.get_by_role("dialog").get_by_role("button", name="Replay").click(timeout=WITHIN_MS)
    toast = page.get_by_test_id("stToast").first
    expect(toast).to_contain_text("3 still fail: no frame we know", timeout=WITHIN_MS)
    letters = asked(demo, "/v1/dead-letters")["items"]
    assert [each["attempts"] > 0 for each in letters] == [True] * 3


def test_a_reader_sees_no_controls(stranger: Page, demo: DemoDashboard) -> None:
    made = httpx2.post(
        f"{demo.server_url}/v1/tokens",
        json={"subject": "rob", "role": "reader"},
        headers={"Authorization": f"Bearer {demo.token}"},
        trust_env=False,
    ).json()
    page = stranger
    page.goto(f"{demo.url}/pipeline")
    page.get_by_label("Token").fill(made["token"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("no frame we know").first).to_be_visible(timeout=WITHIN_MS)
    for name in ("Replay", "Discard", "Rebuild figures"):
        assert page.get_by_role("button", name=name).count() == 0
    by_state = {each["state"]: each for each in asked(demo, "/v1/rollouts")["items"]}
    assert by_state
    for rollout in by_state.values():
        opened(page, f"{demo.url}/rollouts?rollout={rollout['id']}")
        for name in ("Panic", "Abort", "Pause", "Freeze"):
            assert page.get_by_role("button", name=name).count() == 0
