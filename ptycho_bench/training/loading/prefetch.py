"""What a background thread makes while the caller works."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Failure(NamedTuple):
    """What ended the thread early.

    error: to be raised in the caller.
    """

    error: BaseException


class End:
    """Stands behind the last item."""


def prefetched(make: Callable[[], Iterator[Item]], depth: int) -> Iterator[Item]:
    """Items of an iterator that runs in a thread of its own, at most `depth` of them ahead.

    The thread has ended when this iterator has: after the last item, an error, or `close`.

    Args:
        make: gives the iterator; called in the thread.
        depth: items that wait at most; one more is in the making.

    Raises:
        Exception: whatever the iterator raised, in the caller.
    """
    waiting: Queue = Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=fill, args=(waiting, make, stopped), name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), End):
            if isinstance(item, Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        while thread.is_alive():  # it may wait for a free place
            take_all(waiting)
            thread.join(timeout=0.02)


def fill(waiting: Queue, make: Callable[[], Iterator], stopped: threading.Event) -> None:
    """Put every item, then the end or what failed; leave off once `stopped`."""
    try:
        for item in make():
            if stopped.is_set():
                return
            waiting.put(item)
        waiting.put(End())
    except BaseException as error:  # the caller raises it
        waiting.put(Failure(error))


def take_all(waiting: Queue) -> None:
    """Empty a queue."""
    try:
        while True:
            waiting.get_nowait()
    except Empty:
        return
