"""Preparation steps: from a recording's signal to windows."""
