"""Stores: what implements the planes' ports with files. SQLite is the embedded default; it needs no service.

`sqlite_log` holds the event log of one enforcement process, `sqlite_state` what processes share.
"""
