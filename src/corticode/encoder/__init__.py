"""Encoders: from windows to a representation, one file each."""
