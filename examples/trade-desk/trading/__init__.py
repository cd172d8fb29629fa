"""The equities desk of Halden & Co: its order book, its mail, its two agents. Nothing here knows of bailiwick."""
