"""Measures cloche beside other gateways, with nginx as the limit.  docs/performance.md explains the method.

This package owns the measuring and the report, and knows cloche only as one more program in `gateways.toml`:
it imports nothing from it, so that no gateway is measured by other means than the rest.
"""
