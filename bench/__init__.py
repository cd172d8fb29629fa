"""Measures what a decision costs: `make bench`, or `python -m bench --help`. DESIGN §3 promise 8."""
