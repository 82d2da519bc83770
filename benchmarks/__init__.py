"""Benchmarks: ratios to a named peer in one run, and how cost grows with work. Run each with ``python -m``."""
