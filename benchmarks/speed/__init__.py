"""Latchkey beside bare Flask, on the same cores and in the same minutes. benchmarks/README.md explains it."""
