"""Effectors that bailiwick ships: each does what one argument of a permitted call says, and nothing else.

What an effector is: `bailiwick.guard.effectors`. Lookups of hosts and paths live here too, since they are I/O of the
same kind. DESIGN §5 *Action*.
"""
