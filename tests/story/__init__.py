"""The whole story, from purchase to a printed ticket and a refused clone.

`make demo` tells it (`python -m tests.story`), the tests assert it; both run the same
nine steps on the same real parts.
"""
