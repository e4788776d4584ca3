"""How far a long pass over patterns or iterations is: a bar on a terminal, a line every tenth elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
        shown = 0

        def line(done: int) -> None:
            nonlocal shown
            if done * 10 // total > shown:
                shown = done * 10 // total
                print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)

        yield line
