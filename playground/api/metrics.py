"""What Prometheus reads at /metrics: counts of this endpoint, and how full the one engine behind it is."""

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from playground.events import Event, Started, Token

if TYPE_CHECKING:
    from playground.serving.limits import LimitedPlayer

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The numbers of one server."""

    def __init__(self, player: "LimitedPlayer") -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "playground_requests", "Requests that were answered.", ("path", "status"), registry=self.registry
        )
        self.prompt_tokens = Counter("playground_prompt_tokens", "Tokens of prompts.", registry=self.registry)
        self.completion_tokens = Counter(
            "playground_completion_tokens", "Tokens that were written.", registry=self.registry
        )
        self.first_token = Histogram(
            "playground_time_to_first_token_seconds",
            "Seconds from a request to its first token, time in line included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        of_engine = {
            "requests_answering": "Requests that hold a place now, those of the page among them.",
            "requests_waiting": "Requests that wait in line for a place.",
            "rows_running": "Replies that take part in the engine's next step.",
            "kv_bytes": "Bytes of keys and values that they hold.",
            "kv_budget_bytes": "Bytes that they may hold together.",
        }
        for name, told in of_engine.items():
            gauge = Gauge(f"playground_{name}", told, registry=self.registry)
            gauge.set_function(lambda name=name: getattr(player.in_use(), name))

    def page(self) -> bytes:
        """The numbers in Prometheus's text format."""
        return generate_latest(self.registry)


class Counted:
    """Counts one request's tokens, and how long the first took."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._began: float | None = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Started):
            self.metrics.prompt_tokens.inc(event.prompt_tokens[0])
        elif isinstance(event, Token):
            self.metrics.completion_tokens.inc()
            if self._began is not None:
                self.metrics.first_token.observe(time.monotonic() - self._began)
                self._began = None
