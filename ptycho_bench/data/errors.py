"""The error of a file or data set that cannot be used."""


class DataError(ValueError):
    """A file or data set cannot be used; the message says what, which bound, and the way out."""
