"""Worked out once, for each object by itself."""

import threading

from estafeta.core.once import once


class Letter:
    def __init__(self, wait: threading.Event | None = None) -> None:
        self.asked = 0
        self.wait = wait

    @once
    def words(self) -> int:
        """How many."""
        self.asked += 1
        if self.wait is not None:
            assert self.wait.wait(20)
        return 7


def test_it_is_worked_out_once() -> None:
    letter = Letter()
    assert (letter.words, letter.words, letter.asked) == (7, 7, 1)
    assert Letter.words.__doc__ == "How many."


def test_nobody_waits_for_another_object() -> None:
    """As with functools.cached_property before Python 3.12."""
    go_on = threading.Event()
    thread = threading.Thread(target=lambda: Letter(go_on).words)
    other = threading.Thread(target=lambda: (Letter().words, go_on.set()))
    for one in (thread, other):
        one.start()
    for one in (thread, other):
        one.join(20)
    assert go_on.is_set()
