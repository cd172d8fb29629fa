"""People on the console: accounts, passkeys, signing in, signed answers."""
