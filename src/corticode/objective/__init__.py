"""Objectives: from a batch to a loss."""
