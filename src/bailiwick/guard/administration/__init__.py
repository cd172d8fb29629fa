"""What people do to bailiwick itself, decided by the rules in `administration/` and recorded."""
