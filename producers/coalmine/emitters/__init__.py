"""Ways out of the process: Kafka and the spool."""

from coalmine.emitters.base import Emitter
from coalmine.emitters.kafka import KafkaEmitter
from coalmine.emitters.spool import SpoolEmitter

__all__ = ["Emitter", "KafkaEmitter", "SpoolEmitter"]
