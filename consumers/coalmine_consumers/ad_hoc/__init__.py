"""What analysts take from the store: SQL on a snapshot, within bounds, and files for other tools."""

from coalmine_consumers.ad_hoc.export import export
from coalmine_consumers.ad_hoc.process import Limits
from coalmine_consumers.ad_hoc.query import run_query
from coalmine_consumers.ad_hoc.tables import TABLES

__all__ = ["TABLES", "Limits", "export", "run_query"]
