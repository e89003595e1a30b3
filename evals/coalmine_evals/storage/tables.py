"""The tables of evaluations."""

from typing import Final

from sqlalchemy import MetaData

VERSION: Final = 1
"""Of the tables."""

metadata: Final = MetaData()
