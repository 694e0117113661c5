"""The durable store: the SQL database, contents in packs, and the group commit that joins them.

How it is laid out on disk, the order of a commit, and what a crash leaves: docs/internals/store.md.
"""
