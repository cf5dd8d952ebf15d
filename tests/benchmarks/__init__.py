"""How fast, each figure beside its baseline: `make bench`, or by name one by one.

    python -m tests.benchmarks                     # all of them, under five minutes
    python -m tests.benchmarks append_8_vs_stock   # this one alone

Nothing here is a test with a time limit; `docs/benchmarks.md` says what is measured.
"""
