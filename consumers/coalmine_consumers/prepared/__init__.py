"""Batches that somebody else has read, decoded and aggregated: how they are written and imported.

A folder holds one folder per query (a reader of the topics that remembers where it stands), and that one
folder per batch. A batch counts once its manifest is renamed into place, and is imported once, in order.
"""
