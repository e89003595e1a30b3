"""Events name experiments, known or not: what they cost the registry."""

from pathlib import Path

from coalmine_registry.errors import DatabaseUnavailable
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Arm
from coalmine_server.services.intake import ExperimentPrompts
from coalmine_server.services.intake.experiment_prompts import AGAIN_S
from tests.support.data.registry_case import BOB, PROMPT, push, serve


def test_names_that_no_experiment_has_do_not_each_ask_the_registry(tmp_path: Path) -> None:
    now, asked, is_away = [0.0], [0], [True]
    with Registry.open(tmp_path / "registry.db") as registry:

        def read() -> dict[str, str]:
            asked[0] += 1
            if is_away[0]:
                raise DatabaseUnavailable("it does not respond")
            return registry.prompts_of_experiments()

        prompts = ExperimentPrompts(read, clock=lambda: now[0])
        serve(registry, "1.0.0")
        push(registry, "1.0.1")
        arms = [Arm("new", "1.0.1", 0.1), Arm("old", "1.0.0", 0.9)]
        registry.start_experiment(BOB, "prod", PROMPT, "tone", arms)
        assert [prompts("tone") for _ in range(3)] == [None] * 3  # events are taken meanwhile
        assert asked == [1]
        is_away[0], now[0] = False, AGAIN_S
        assert prompts("tone") == PROMPT
        assert [prompts(f"not-there-{number}") for number in range(100)] == [None] * 100
        assert asked == [2]

        registry.stop_experiment(BOB, "tone", "old")
        registry.start_experiment(BOB, "prod", PROMPT, "later", arms)
        assert [prompts("tone"), prompts("later")] == [PROMPT, None]
        is_away[0], now[0] = True, 2 * AGAIN_S
        assert [prompts("later"), prompts("tone")] == [None, PROMPT]
        is_away[0], now[0] = False, 3 * AGAIN_S
        assert [prompts("tone"), prompts("later")] == [PROMPT, PROMPT]
