"""A server that has readouts asks them whether an experiment is evidence."""

from pathlib import Path

from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess


def test_an_experiment_is_evidence_only_if_its_readout_says_to_promote(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "home") as server:
        server.wait_ready()
        with Person.local(server) as admin:
            admin.register("greet", "1.0.0", HELLO)
            admin.register("greet", "1.0.1", GOODBYE)
            admin.promote("greet", "1.0.0", "dev")
            arms = [
                {"variant": "new", "version": "1.0.1", "weight": 0.5},
                {"variant": "old", "version": "1.0.0", "weight": 0.5},
            ]
            body = {"name": "tone", "arms": arms}
            admin.post("/v1/environments/dev/prompts/greet/experiments", body, expect=201)
            evidence = [{"kind": "readout", "reference": "tone"}]
            refused = admin.promote("greet", "1.0.1", "staging", evidence=evidence, expect=409)
    assert refused["type"] == "urn:coalmine:evidence-refused"
    assert "its readout does not say to promote greet@1.0.1" in refused["detail"]
