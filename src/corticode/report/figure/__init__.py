"""Figures, one idea a file: each takes plain tables and gives an SVG as text, or None where there is nothing to draw."""
