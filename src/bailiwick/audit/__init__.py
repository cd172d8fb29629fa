"""The audit plane: what was decided, why, from what; provable later. DESIGN §3 promises 5 and 6, §5 *Audit*.

`events` builds the bodies of events and `schema` says which fields they have; `envelope` turns an event into the bytes
that are hashed; `merkle` proves things about them; `log` is the port that stores implement; `verify` checks a stored
log and `trace` answers questions about it. Nothing here reads a file, a clock or randomness.
"""
