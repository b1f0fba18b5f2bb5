"""The head of a network that already gives answers: it adds nothing."""

from __future__ import annotations

from corticode.head.neural import NeuralHead


class Identity(NeuralHead):
    """Takes the one token of `encoder.own.OwnNetwork` as the answer.

    Parameters
    ----------
    kind : str
        'probability' or 'value'; the task settles it.
    """

    def __init__(self, kind: str = "probability"):
        super().__init__(None, kind)

    def forward(self, tokens):
        """Return the mean over tokens, [b, n_outputs]."""
        return tokens.mean(dim=1)
