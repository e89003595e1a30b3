"""The rules that are evaluated without any configuration."""

from typing import Any, Final

from coalmine_alerts.rules.channels import ChannelFailing
from coalmine_alerts.rules.drift import DRIFT_RULES
from coalmine_alerts.rules.evals import EVAL_RULES
from coalmine_alerts.rules.feedback import FEEDBACK_RULES
from coalmine_alerts.rules.ingest import INGEST_RULES
from coalmine_alerts.rules.limits import KillLimit
from coalmine_alerts.rules.models import MODEL_RULES
from coalmine_alerts.rules.money import MONEY_RULES
from coalmine_alerts.rules.places import PLACE_RULES
from coalmine_alerts.rules.rollouts import ROLLOUT_RULES
from coalmine_alerts.rules.versions import VersionRegression

DEFAULT_RULES: Final[dict[str, Any]] = {
    rule.name: rule
    for rule in (
        *ROLLOUT_RULES,
        KillLimit(),
        *DRIFT_RULES,
        VersionRegression(),
        *MODEL_RULES,
        *EVAL_RULES,
        *MONEY_RULES,
        *INGEST_RULES,
        *PLACE_RULES,
        *FEEDBACK_RULES,
        ChannelFailing(),
    )
}
"""By name."""
