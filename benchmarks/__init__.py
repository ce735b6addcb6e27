"""Peers against this package, in one run on one machine: `make bench`, or one with `python -m benchmarks.<name>`.

Each module has `results()`, a list of `benchmarks.measuring.Result`.
"""
