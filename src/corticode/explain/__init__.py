"""What a decoder looks at."""
