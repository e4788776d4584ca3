"""Items prepared by a background thread: in order, bounded in number, and without a thread left behind."""

import threading
from itertools import count, islice

import pytest

from ptycho_bench.training.loading.prefetch import prefetched


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_thread_ends():
    assert list(prefetched(lambda: iter(range(20)), 3)) == list(range(20))
    assert not threads()


def test_no_more_items_are_made_than_may_wait():
    made, handed_over = [], threading.Semaphore(0)

    def make():
        for number in count():
            made.append(number)
            handed_over.release()
            yield number

    items = prefetched(make, 2)
    assert next(items) == 0
    for _ in range(4):  # one was taken, two wait, one is being made
        handed_over.acquire()
    assert not handed_over.acquire(timeout=0.1)
    assert made == [0, 1, 2, 3]
    items.close()


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_early_leaves_no_thread(taken):
    items = prefetched(count, 2)
    assert list(islice(items, taken)) == list(range(taken))
    items.close()
    assert not threads()


def test_closing_closes_the_wrapped_iterator():
    closed = threading.Event()

    def make():
        try:
            yield from count()
        finally:
            closed.set()

    items = prefetched(make, 1)
    next(items)
    items.close()
    assert closed.is_set()


def test_an_error_reaches_the_caller_after_the_items_before_it():
    def make():
        yield 1
        raise ValueError("the disk failed")

    items = prefetched(make, 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="the disk failed"):
        next(items)
    assert not threads()
