"""The benchmark loop and its statistics."""
