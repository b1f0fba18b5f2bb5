"""Tokenizers: windows become words of a learned codebook, and words become windows again."""
