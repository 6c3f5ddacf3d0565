"""Five OAuth providers on one loopback port, faithful enough to develop and test against."""
