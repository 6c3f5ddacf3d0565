"""The customs: bytes to values and back. Names of fields, their bounds, what is never written out."""
