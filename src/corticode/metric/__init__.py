"""Metrics: from predictions to a number."""
