"""Heads: from a representation to an answer."""
