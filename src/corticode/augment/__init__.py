"""Augmentations: changes to a batch while a network learns."""
