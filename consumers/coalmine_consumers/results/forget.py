"""Reports of users that were forgotten."""

from datetime import datetime

from coalmine_schemas.results import result


@result
class Forgotten:
    """What was taken out of a home, as proof: it names nobody."""

    at: datetime
    """When it was done, UTC. Events that come later are not forgotten."""
    units: list[str]
    """SHA-256 of each identifier that was given, as stored, hexadecimal."""
    requests: int
    """Calls that these users made, whose raw rows were still kept."""
    emptied: dict[str, int]
    """Rows by table from which identifiers, texts and the like were taken; rows and numbers stay."""
    files_rewritten: int
    """Files of raw rows that were written anew."""
    old_files_deleted_after: datetime
    """From when on housekeeping deletes the files that these replaced, UTC; nothing lists them any more."""
    dataset_cases: int
    """Cases of datasets, and proposals for them, that came from these calls, and are gone."""
    production_scores: int
    """Scores of evaluations of production that say no more whose call it was; the scores stay."""
    left: dict[str, int]
    """Rows by table that still say who these users are, counted afterwards: all zero."""
    complete: bool
    """True where nothing is left, and every file could be looked into."""
    not_searched: list[str]
    """Places that were not searched and may still name them: files that are missing, dead letters where an
    identifier is short, the spool, Kafka, answers of evaluation runs, backups, exports, logs, segments."""
