"""The error raised for a file or data set that cannot be used."""


class DataError(ValueError):
    """A file or data set cannot be used; the message names the value, the bound and the way out."""
