"""Splits: who is learned from and who is asked."""
