"""Progress of a long loop over patterns or iterations: a bar on a terminal, an occasional line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_INTERVAL_S = 10.0  # shortest time between two lines if the output is not a terminal


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that reports how many of `total` items are done.

    Args:
        label: name of the task.
        total: number of items; nothing is shown for a single one.
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

        def print_line(done: int) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= LINE_INTERVAL_S:
                last_s = time.monotonic()
                print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)

        yield print_line
