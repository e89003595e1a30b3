"""A plugin of pytest (`-p`): the tests run as where pyruhvro is not installed."""

import sys

# What `import` finds here it takes for a module that is not there.
sys.modules["pyruhvro"] = None  # type: ignore[assignment]
