"""One thin module per agent framework. Each imports its framework itself; nothing else in bailiwick does."""
