"""Simulated services and replayed traces, driving the real `coalmine` package.

Needs the standard library and the base install only.
"""

from coalmine_simulator.client import Client, ClientFactory, RecordingClient, SentStats
from coalmine_simulator.clock import Clock, SystemClock, VirtualClock
from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.config_file import load_config
from coalmine_simulator.errors import InvalidConfig, InvalidTrace, SimulatorError
from coalmine_simulator.playback import Playback, Progress, SimulationResult, Steps, run
from coalmine_simulator.profiles import Release
from coalmine_simulator.registry_scenario import registry_scenario, rollout_scenario
from coalmine_simulator.replay import (
    ReplayOptions,
    ReplayProgress,
    ReplaySummary,
    parse_speed,
    replay_trace,
)
from coalmine_simulator.scenarios import SCENARIOS, scenario
from coalmine_simulator.simulation import Simulation
from coalmine_simulator.trace_file import TraceSummary, check_trace, sample_trace
from coalmine_simulator.truth import VersionTruth, truth_of
from coalmine_simulator.version_choice import Chooser, RegistryChooser, StoryChooser

__all__ = [
    "SCENARIOS",
    "Chooser",
    "Client",
    "ClientFactory",
    "Clock",
    "InvalidConfig",
    "InvalidTrace",
    "Playback",
    "Progress",
    "RecordingClient",
    "RegistryChooser",
    "Release",
    "ReplayOptions",
    "ReplayProgress",
    "ReplaySummary",
    "SentStats",
    "Simulation",
    "SimulationConfig",
    "SimulationResult",
    "SimulatorError",
    "Steps",
    "StoryChooser",
    "SystemClock",
    "TraceSummary",
    "VersionTruth",
    "VirtualClock",
    "check_trace",
    "load_config",
    "parse_speed",
    "registry_scenario",
    "replay_trace",
    "rollout_scenario",
    "run",
    "sample_trace",
    "scenario",
    "truth_of",
]
