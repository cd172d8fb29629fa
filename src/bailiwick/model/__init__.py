"""Values only: principals, tools, calls, labels, decisions, events. No I/O, no clock, no randomness.

Every value is a frozen, slotted, keyword-only dataclass; collections inside are tuples, frozensets or read-only
mappings. Planes talk to each other in these values and in nothing else.
"""
