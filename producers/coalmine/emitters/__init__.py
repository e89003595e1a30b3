"""Ways out of the process: the spool, and `emitters.kafka`, which needs `coalmine[kafka]`."""

from coalmine.emitters.base import Emitter
from coalmine.emitters.spool import SpoolEmitter

__all__ = ["Emitter", "SpoolEmitter"]
