"""Standard output and error that no command fails on: closed, cut off, or in an encoding with few characters."""

import errno
import io
import os
import sys
from typing import TextIO

LOST = (errno.EPIPE, errno.EIO)  # a pipe that nobody reads, a terminal that is gone


class Output(io.FileIO):
    """A file descriptor whose output is dropped once nobody can receive it."""

    def write(self, content: bytes) -> int:
        """Write bytes and return their number."""
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in LOST:
                raise
            open_null(self.fileno())
            return len(content)


def open_null(number: int) -> None:
    """Connect a file descriptor to the null device, also for the processes that this one starts."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    if null != number:
        os.close(null)


def secure_streams() -> None:
    """Make standard output and error usable, whatever they are connected to.

    A closed one is connected to the null device; characters that its encoding lacks are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            open_null(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None or is_descriptor(stream, number):
            setattr(sys, name, secured(stream, number))


def is_descriptor(stream: TextIO, number: int) -> bool:
    """Return True for a text stream that writes to a file descriptor and has not been secured yet."""
    try:
        return stream.fileno() == number and not isinstance(getattr(stream.buffer, "raw", None), Output)
    except (AttributeError, OSError, ValueError):  # for example a stream in memory
        return False


def secured(stream: TextIO | None, number: int) -> TextIO:
    """Return a text stream for a file descriptor, in the encoding of the stream that it replaces."""
    buffer = io.BufferedWriter(Output(number, "wb", closefd=False))
    if stream is None:
        return io.TextIOWrapper(buffer, errors="backslashreplace")
    stream.flush()
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
