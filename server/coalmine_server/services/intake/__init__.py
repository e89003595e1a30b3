"""Events that come over HTTP from what does not use the client: read, checked, framed and made safe."""

from coalmine_server.services.intake.events import EventProblem, EventReader, EventScope, EventsTaken, Reading
from coalmine_server.services.intake.experiment_prompts import ExperimentPrompts
from coalmine_server.services.intake.limits import EventLimits, TooManyEvents
from coalmine_server.services.intake.safe import Intake, IntakeUnavailable, client_settings

__all__ = [
    "EventLimits",
    "EventProblem",
    "EventReader",
    "EventScope",
    "EventsTaken",
    "ExperimentPrompts",
    "Intake",
    "IntakeUnavailable",
    "Reading",
    "TooManyEvents",
    "client_settings",
]
