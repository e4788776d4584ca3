"""An iterator whose items a background thread prepares while the caller works."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Failure(NamedTuple):
    """Put into the queue if the thread failed.

    error: exception to raise in the caller.
    """

    error: BaseException


class End:
    """Put into the queue after the last item."""


def prefetched(make: Callable[[], Iterator[Item]], depth: int) -> Iterator[Item]:
    """Yield the items of an iterator that runs in its own thread, at most `depth` items ahead.

    The thread ends together with this iterator, after the last item, an error or `close`.

    Args:
        make: returns the iterator; called in the thread.
        depth: largest number of items that wait in the queue, while one more is being made.

    Raises:
        Exception: Whatever the iterator raised, in the caller.
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
        while thread.is_alive():  # it may be waiting for room in the queue
            take_all(waiting)
            thread.join(timeout=0.02)


def fill(waiting: Queue, make: Callable[[], Iterator], stopped: threading.Event) -> None:
    """Put every item into the queue, then the end or the failure; return early once `stopped` is set."""
    try:
        for item in make():
            if stopped.is_set():
                return
            waiting.put(item)
        waiting.put(End())
    except BaseException as error:  # raised again in the caller
        waiting.put(Failure(error))


def take_all(waiting: Queue) -> None:
    """Empty a queue."""
    try:
        while True:
            waiting.get_nowait()
    except Empty:
        return
