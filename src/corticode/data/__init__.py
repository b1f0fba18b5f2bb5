"""Data sets: one file each, a Card of facts and the way to their recordings."""
