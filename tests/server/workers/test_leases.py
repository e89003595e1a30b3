"""What one server learns of what others on its registry have done."""

from functools import partial

from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.prompts import PromptContent
from coalmine_server.workers.leases import ChangesElsewhere
from tests.support.eventually import eventually


def test_each_change_of_another_process_is_noticed(address: str) -> None:
    author = Actor("alice", Role.AUTHOR, "token-of-alice")
    with Registry.open(address) as registry, Registry.open(address) as other:
        changes = ChangesElsewhere(registry)

        def is_later(than: int) -> bool:
            return changes.seen > than

        changes.worker.start()
        try:
            for version in ("1.0.0", "1.0.1"):
                before = changes.seen
                other.register(author, "greet", version, PromptContent(template=f"Hello from {version}"))
                eventually(partial(is_later, before), what=f"{version} seen")
        finally:
            changes.worker.ask_to_stop()
            assert changes.worker.wait_stopped(10.0)
