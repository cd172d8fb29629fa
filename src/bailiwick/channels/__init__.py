"""Tells people that they are asked: messages out to servers and mailboxes. Nothing comes in here: a channel takes no
answers. Imported by the project room alone; `urllib3` (extra `http`) in `bailiwick.channels.web` only."""
