"""`python -m bailiwick` is the `bailiwick` command."""

from bailiwick.cli import main

main()
