"""Learning without labels, from blind windows."""
