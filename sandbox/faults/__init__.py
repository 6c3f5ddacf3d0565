"""Faults on demand: delays, wrong answers, broken connections."""
