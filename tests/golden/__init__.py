"""The examples of the three documents that the service was ordered by, replayed."""
