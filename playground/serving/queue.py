"""Who goes on and who waits: a bounded number of places, shared fairly among clients, and a line before them."""

from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network
from threading import Condition
from typing import Any, NamedTuple

from playground.errors import Busy

_LONGEST_HOST = 100  # letters of an address or session that are told apart
_TELL_S = 0.5  # whoever waits hears how things stand at least so often, and can be gone by then


class Client(NamedTuple):
    """Who asks: the machine they ask from, and the session there."""

    host: str = ""
    session: str = ""


class Ticket:
    """One request of a client. Equal to nothing but itself."""

    def __init__(self, client: Client) -> None:
        self.client = client


class Queue:
    """`places` for those under way and room for `longest` who wait.

    The next place goes to whoever's machine holds the fewest, then whose session does, then who came first. A machine
    holds no more than leaves room for one more machine, and so does a session within its machine's share. When more
    wait than there is room for, the last in that order is refused.
    """

    def __init__(self, places: int, longest: int) -> None:
        self.places, self.longest = places, longest
        self._changed = Condition()
        self._inside: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._before: dict[Ticket, int] = {}

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return len(self._inside)

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @contextmanager
    def join(self, client: Client) -> Generator[Generator[int, None, None], None, None]:
        """Stand in line, and hold the place until the end; the value tells how many are before one, until none is.

        It raises Busy where the line is full.
        """
        ticket = Ticket(client)
        with self._changed:
            self._waiting.append(ticket)
            self._move()
        try:
            yield self._wait(ticket)
        finally:
            with self._changed:
                for line in (self._inside, self._waiting):
                    if ticket in line:
                        line.remove(ticket)
                self._move()

    def _wait(self, ticket: Ticket) -> Generator[int, None, None]:
        while True:
            with self._changed:
                if ticket in self._inside:
                    return
                before = self._before.get(ticket)
            if before is None:
                raise Busy(
                    f"{self.taken} requests are being answered and {self.waiting} wait, as many as fit.",
                    "Try again in a moment.",
                )
            yield before
            with self._changed:
                self._changed.wait_for(lambda told=before: self._before.get(ticket) != told, _TELL_S)

    def _move(self) -> None:
        """Give away free places, send off whoever has no room, and tell all who wait."""
        while self.taken < self.places and (ticket := next(filter(self._may, self._order()), None)):
            self._waiting.remove(ticket)
            self._inside.append(ticket)
        order = self._order()
        self._waiting = [ticket for ticket in self._waiting if ticket in order[: self.longest]]
        self._before = {ticket: before for before, ticket in enumerate(order[: self.longest])}
        self._changed.notify_all()

    def _order(self) -> list[Ticket]:
        """Those who wait, in the order in which they are let in."""
        clients = [ticket.client for ticket in self._inside]
        hosts, sessions = Counter(client.host for client in clients), Counter(clients)
        left: dict[Client, deque[tuple[int, Ticket]]] = {}
        for came, ticket in enumerate(self._waiting):
            left.setdefault(ticket.client, deque()).append((came, ticket))
        order: list[Ticket] = []
        while left:
            client = min(left, key=lambda one: (hosts[one.host], sessions[one], left[one][0][0]))
            order.append(left[client].popleft()[1])
            hosts[client.host] += 1
            sessions[client] += 1
            if not left[client]:
                del left[client]
        return order

    def _may(self, ticket: Ticket) -> bool:
        """Whether a client may hold one more place."""
        client, held = ticket.client, [one.client for one in self._inside]
        present = {*held, *(one.client for one in self._waiting)}
        of_host = share(self.places, len({one.host for one in present}))
        of_session = share(of_host, len([one for one in present if one.host == client.host]))
        return _count(held, client.host) < of_host and held.count(client) < of_session


def share(places: int, present: int) -> int:
    """How many places one of those present may hold, so that room for one more is left."""
    return max(1, places // (present + 1))


def _count(clients: Sequence[Client], host: str) -> int:
    return sum(client.host == host for client in clients)


def client_of(request: Any, proxies: int = 0) -> Client:
    """Who sent a request, where so many `proxies` of ours stand before the page.

    Each proxy adds whom it got the request from to X-Forwarded-For, whose lines are one list; what stands before that
    anybody may have written. Of an IPv6 address the half counts that one household has.
    """
    host = str(getattr(getattr(request, "client", None), "host", "") or "")
    if proxies:
        headers = getattr(request, "headers", None)
        told = ",".join(headers.getlist("x-forwarded-for") if headers else []).split(",")
        host = told[-min(proxies, len(told))].strip() or host
    with suppress(ValueError):
        address = ip_address(host)
        host = str(ip_network((address, 64), strict=False)) if address.version == 6 else host
    return Client(host[:_LONGEST_HOST], str(getattr(request, "session_hash", None) or "")[:_LONGEST_HOST])
