"""Benchmarks: `python -m benchmarks.NAME [--quick] [--check] [--json FILE]`; `benchmarks.report` is shared."""
