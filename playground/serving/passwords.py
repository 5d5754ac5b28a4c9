"""The staff's password: which one is good enough, and how fast wrong ones may be tried."""

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import pairwise

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.errors import InvalidInput
from playground.serving.gate import refuse

SHORTEST = 12
"""Characters of a token somebody chose."""

_FEWEST = 6  # different characters
_FIRST_S, _LONGEST_S = 0.25, 4.0  # what a wrong password waits for: first, and at most
_FORGOTTEN_S = 900.0  # wrong ones so long ago count no more
_MOST_COUNTED = 16


def check_token(token: str) -> None:
    """Refuse a token that is soon guessed: short, of few characters, one text again and again, or counted up."""
    again = (token + token).find(token, 1)  # after so many characters it begins anew
    steps = {ord(after) - ord(before) for before, after in pairwise(token)}
    if again < SHORTEST or len(set(token)) < _FEWEST or len(steps) < _FEWEST:
        raise InvalidInput(
            f"The staff token is soon guessed: it needs at least {SHORTEST} characters, {_FEWEST} different ones, "
            "and no run or repeat.",
            "Leave it out, and a good one is made and printed.",
        )


class LoginThrottle:
    """Answers wrong passwords later and later, one at a time to each address.

    The right one is answered at once, so that nobody can lock the staff out but by trying from their own address.
    """

    def __init__(self, app: ASGIApp, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.app, self.sleep = app, sleep
        self.wrong: deque[float] = deque(maxlen=_MOST_COUNTED)  # when
        self.trying: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; hold back the answer to a wrong password."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != "/login":
            await self.app(scope, receive, send)
            return
        address = network(scope)
        if address in self.trying:
            reason = "Another password is being tried from this address. Try again in a few seconds."
            await refuse(scope, receive, send, 429, reason, **{"retry-after": f"{_LONGEST_S:g}"})
            return
        self.trying.add(address)
        try:
            await self.app(scope, receive, self._holding(send))
        finally:
            self.trying.discard(address)

    def _holding(self, send: Send) -> Send:
        async def held(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                await self.sleep(self._delay())
            await send(message)

        return held

    def _delay(self) -> float:
        """Seconds to hold back the answer to one more wrong password."""
        now = time.monotonic()
        while self.wrong and now - self.wrong[0] > _FORGOTTEN_S:
            self.wrong.popleft()
        self.wrong.append(now)
        return min(_FIRST_S * 2 ** (len(self.wrong) - 1), _LONGEST_S)


def network(scope: Scope) -> str:
    """Whom a request comes from: an IPv4 address, or the network an IPv6 address is one of many of."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(address) if address.version == 4 else str(ipaddress.ip_network(f"{host}/64", strict=False))
