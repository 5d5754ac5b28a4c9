"""A request that outlives its engine: it is asked again elsewhere, and nothing is told twice."""

from collections.abc import Callable, Generator
from contextlib import closing

from playground.errors import ModelUnavailable
from playground.events import Event, Finished, Progress, Started, Token, Waiting
from playground.remote.wire import EngineLost

ATTEMPTS = 5
"""How often a request is asked at most: each time but the first after an engine was lost."""


class Told:
    """What of a request was told already. The same request tells it again, maybe in another order."""

    def __init__(self) -> None:
        self.started = False
        self.tokens: dict[int, list[tuple[int, str]]] = {}
        self.ends: dict[int, str] = {}

    def is_new(self, event: Event) -> bool:
        """Whether an event was not told yet; from now on it was. Raises ModelUnavailable where the reply is another."""
        match event:
            case Waiting() | Progress():
                return not self.started
            case Started():
                before, self.started = self.started, True
                return not before
            case Token():
                known, one = self.tokens.setdefault(event.row, []), (event.id, event.text)
                if event.position < len(known):
                    return self._again(known[event.position] == one)
                known.append(one)
            case Finished() if event.row in self.ends:
                return self._again(self.ends[event.row] == event.text)
            case Finished():
                self.ends[event.row] = event.text
            case _:
                pass
        return True

    @staticmethod
    def _again(same: bool) -> bool:
        if not same:
            raise ModelUnavailable(
                "The engine was lost amid the reply, and another one writes it otherwise.", "Ask again."
            )
        return False


def resumed(ask: Callable[[], Generator[Event, None, None]], attempts: int = ATTEMPTS) -> Generator[Event, None, None]:
    """The events of a request, which is asked anew as long as an engine is lost; what was told is passed over.

    Raises EngineLost when the last attempt is lost, too, and ModelUnavailable where what was told is not told again.
    """
    told = Told()
    for attempt in range(1, attempts + 1):
        try:
            with closing(ask()) as events:
                yield from (event for event in events if told.is_new(event))
            return
        except EngineLost:
            if attempt == attempts:
                raise
