"""Writes and sends what `bailiwick.audit.exports` makes of the record. Each module needs an extra of its own."""
