"""SQL of analysts on a snapshot of the store: checked, read-only, with bounds on memory, time and rows."""

from coalmine_consumers.ad_hoc.query import Limits, run_query
from coalmine_consumers.ad_hoc.tables import TABLES

__all__ = ["TABLES", "Limits", "run_query"]
