"""`coalmine forget`: a user is gone from what is read, from datasets, and the report proves it."""

import json
from pathlib import Path

from coalmine import Coalmine
from coalmine_alerts.results.story import Excerpt, Story
from tests.server.registry_client import Person
from tests.support.data.alert_case import START, AlertCase, finding
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json


def test_a_user_is_forgotten_while_the_server_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ids = []
    with Coalmine("support-bot", home=home, capture_text=True) as client:
        for unit in ("ann-1234567", "bob-1234567", "ann-1234567"):
            with client.call("greet", version="1.0.0", model="gpt-4o-mini", unit_id=unit) as call:
                call.record(
                    input_tokens=100, output_tokens=10, input_text="what is it?", output_text="a bird"
                )
            client.feedback(call.request_id, thumbs="up", comment="thank you kindly", unit_id=unit)
            ids.append(call.request_id)
    with ServerProcess(home) as server:
        server.wait_ready()
        eventually(lambda: server.json("/v1/ingest")["counts"]["stored"] == 6 or None, what="stored")
        with Person.local(server) as admin:
            case = {"id": "1", "variables": {"question": "what is it?"}, "source": f"request:{ids[0]}"}
            admin.post("/v1/datasets", {"name": "kept", "lines": json.dumps(case) + "\n"}, expect=201)
            before = admin.get("/v1/versions")
            (home / "backups" / "kept").mkdir(parents=True)
            report = coalmine_json("forget", "--unit-id", "ann-1234567", home=home)
            assert admin.get("/v1/versions") == before
            first, other = (admin.get(f"/v1/requests/{each}") for each in ids[:2])
            assert admin.get("/v1/datasets/kept/cases")["items"] == []
            case["id"] = "2"
            admin.post("/v1/datasets", {"name": "late", "lines": json.dumps(case) + "\n"}, expect=201)
            late = coalmine_json("forget", "--unit-id", "ann-1234567", home=home)
            assert (late["requests"], late["dataset_cases"]) == (0, 1)
            assert admin.get("/v1/datasets/late/cases")["items"] == []
        assert (report["requests"], report["complete"], set(report["left"].values())) == (2, True, {0})
        assert (report["emptied"]["requests"], report["emptied"]["feedback"]) == (2, 2)
        assert report["dataset_cases"] == 1
        named = " ".join(report["not_searched"])
        assert all(each in named for each in ("runs of evaluations", "logs", "segments", "/backups/kept"))
        assert "ann-1234567" not in json.dumps(report)
        assert first["unit_id"].startswith("forgotten-")
        assert (first["input_text"], first["feedback"][0]["comment"]) == (None, None)
        assert (other["unit_id"], other["input_text"]) == ("bob-1234567", "what is it?")
        assert server.json("/v1/audit", params={"deep": "true"})["ok"]
    again = coalmine("forget", "--unit-id", "ann-1234567", home=home)
    assert again.returncode == 0, again.stderr
    assert "calls" in again.stdout


def test_what_they_said_is_gone_from_alerts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Coalmine("support-bot", home=home, capture_text=True) as client:
        with client.call("greet", version="1.0.0", model="gpt-4o-mini", unit_id="ann-1234567") as call:
            call.record(input_tokens=100, output_tokens=10, input_text="what is it?", output_text="a bird")
        client.feedback(call.request_id, thumbs="down", comment="no bird at all", unit_id="ann-1234567")
    case = AlertCase(home)
    excerpt = Excerpt(call.request_id, START, "what is it?", "a bird", "no bird at all", None)
    case.tick(finding(story=Story(title="Bad", summary="1 bad rating.", excerpts=(excerpt,))))
    case.database.close()
    report = coalmine_json("forget", "--unit-id", "ann-1234567", home=home)
    assert (report["requests"], report["emptied"]["alerts"]) == (1, 1)
    case.open()
    assert case.only().story.excerpts == ()
    case.database.close()


def test_hashed_identifiers_are_found_with_the_key(tmp_path: Path) -> None:
    home, key = tmp_path / "home", "a secret of ours"
    client = Coalmine("support-bot", home=home, unit_ids="hashed", unit_id_key=key)
    with client, client.call("greet", version="1.0.0", unit_id="ann-1234567") as call:
        call.record(input_tokens=1)
    assert coalmine_json("forget", "--unit-id", "ann-1234567", home=home)["requests"] == 0
    found = coalmine_json("forget", "--unit-id", "ann-1234567", home=home, env={"COALMINE_UNIT_ID_KEY": key})
    assert found["requests"] == 1
