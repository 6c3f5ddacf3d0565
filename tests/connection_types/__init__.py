"""One suite over all connection types."""
