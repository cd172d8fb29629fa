"""The record in other people's forms: CloudEvents, OCSF, W3C PROV, OpenTelemetry spans, rows of a table.

Exports are for reading and searching elsewhere; none of them is the record, and none can be verified. No content is in
any of them: arguments, results and prompts stay beside the log. Pure; `bailiwick.exporters` writes and sends.
"""
