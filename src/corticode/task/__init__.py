"""Tasks: what is asked of a recording."""
