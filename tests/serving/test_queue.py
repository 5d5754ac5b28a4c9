"""Places are shared fairly, who waits is told where, and who leaves is gone at once."""

from collections.abc import Generator
from contextlib import ExitStack
from threading import Thread

import pytest

from playground.errors import Busy
from playground.serving.queue import Client, Queue, share

A, B, C = (Client(host, "s") for host in ("a", "b", "c"))


class Standing:
    """One who joined: told() is the newest number before it, None once it is in."""

    def __init__(self, line: Queue, client: Client) -> None:
        self._stack = ExitStack()
        self._waiting: Generator[int, None, None] = self._stack.enter_context(line.join(client))
        self.line = line

    def told(self) -> int | None:
        return next(self._waiting, None)

    def leave(self) -> None:
        self._stack.close()


def join(line: Queue, client: Client, times: int = 1) -> list[Standing]:
    return [Standing(line, client) for _ in range(times)]


def told(standing: list[Standing]) -> list[int | None]:
    return [one.told() for one in standing]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again is answered without waiting for a change."""
    monkeypatch.setattr("playground.serving.queue._TELL_S", 0.0)


def test_who_is_alone_goes_in_and_leaves_room_for_another() -> None:
    line = Queue(16, 64)
    mine = join(line, A, 16)
    assert told(mine) == [None] * 4 + list(range(12))
    other = join(line, Client("a", "another session"))
    assert told(other) == [None]
    stranger = join(line, B)
    assert told(stranger) == [None]
    assert (line.taken, line.waiting) == (6, 12)


def test_places_go_to_who_holds_fewest_then_in_the_order_of_coming() -> None:
    line = Queue(2, 64)
    held = [*join(line, A), *join(line, B)]
    many, one = join(line, A, 3), join(line, C)
    assert told(one) == [0], "C holds none"
    assert told(many) == [1, 2, 3]
    held[1].leave()
    assert told(one) == [None]
    assert told(many) == [0, 1, 2]
    held[0].leave()
    assert told(many) == [None, 0, 1]


def test_who_leaves_is_out_of_the_line_and_frees_its_place() -> None:
    line = Queue(1, 64)
    first, second, third = join(line, A) + join(line, B) + join(line, C)
    assert told([second, third]) == [0, 1]
    second.leave()
    assert told([third]) == [0]
    first.leave()
    assert told([third]) == [None]
    third.leave()
    assert (line.taken, line.waiting) == (0, 0)


def test_only_a_full_line_refuses_and_it_refuses_the_last_of_whoever_has_most() -> None:
    line = Queue(1, 3)
    first = join(line, A)
    many = join(line, B, 3)
    assert told(many) == [0, 1, 2]
    other = join(line, C)
    assert told(other) == [1], "after B's first, as both hold none"
    assert told(many[:2]) == [0, 2]
    with pytest.raises(Busy, match="1 requests are being answered and 3 wait"):
        many[2].told()
    with pytest.raises(Busy):
        join(line, B)[0].told()
    assert told(many[:2]) == [0, 2]
    assert told(first) == [None]


def test_a_request_that_fails_in_its_place_frees_it() -> None:
    line = Queue(1, 1)
    with pytest.raises(Busy), line.join(A):
        raise Busy("It went wrong.")
    assert (line.taken, line.waiting) == (0, 0)


def test_a_thread_that_waits_is_let_in_when_the_place_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.serving.queue._TELL_S", 60.0)
    line, done = Queue(1, 9), list[str]()

    def client() -> None:
        with line.join(B) as waiting:
            done.extend(str(before) for before in waiting)
            done.append("in")

    first = join(line, A)[0]
    thread = Thread(target=client)
    thread.start()
    while not done:
        pass
    first.leave()
    thread.join()
    assert done == ["0", "in"]


@pytest.mark.parametrize(("places", "present", "mine"), [(16, 1, 8), (16, 2, 5), (16, 15, 1), (16, 99, 1), (1, 1, 1)])
def test_a_share_leaves_room_for_one_more(places: int, present: int, mine: int) -> None:
    assert share(places, present) == mine
