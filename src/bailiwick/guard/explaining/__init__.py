"""Calls decided without stores: previews, rehearsals, and what would have to differ."""
