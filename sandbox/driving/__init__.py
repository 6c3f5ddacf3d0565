"""Driving a running sandbox from outside, over HTTP."""
