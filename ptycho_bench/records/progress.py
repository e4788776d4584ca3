"""How far a long pass over patterns or iterations is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_S = 10.0


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to be called with how many of `total` are done.

    Args:
        label: what is being done.
        total: how many there are; a single one shows nothing.
    """
    if total <= 1:
        yield lambda done: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task(label, total=total)
            yield lambda done: bars.update(bar, completed=done)
    else:
        last_s = time.monotonic()

        def line(done: int) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= QUIET_S:
                last_s = time.monotonic()
                print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)

        yield line
