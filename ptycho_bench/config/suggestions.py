"""Suggestions for misspelt words."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'X'?` for the known word that is closest, or an empty text if none is close.

    >>> did_you_mean("widht", ["width", "depth"])
    ", did you mean 'width'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""
