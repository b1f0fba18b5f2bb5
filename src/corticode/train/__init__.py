"""Training networks: the only home of Lightning."""
