"""Attacks on a deployed project through the real enforcement point, judged by what happened, not by what was said.

`bailiwick.redteam.world` is the contract of what is attacked and of the attacks; everything else here runs them.
"""
