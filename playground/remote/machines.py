"""Work in parts on the machines of a Ray cluster: each part where there is room, again where a machine is lost."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from playground.engine.language_model import threads
from playground.errors import ModelUnavailable
from playground.remote import wire
from playground.remote.joined import joined

_AHEAD = 2  # parts for each place that are begun before the first of them is read
_TRIES = 20  # a part that takes its worker with it so often takes every worker with it


class Place(NamedTuple):
    """What of a machine one part takes."""

    cpus: float
    gpus: float
    many: int
    """How many there are in the cluster."""

    @classmethod
    def of(cls, nodes: list[dict[str, Any]], device: str) -> "Place":
        """A GPU each where there are any; else a whole machine, since rows share its processors best within a batch."""
        there: list[Mapping[str, float]] = [node["Resources"] for node in nodes if node["Alive"]]
        if device != "cpu" and (gpus := int(sum(one.get("GPU", 0) for one in there))):
            return cls(1, 1, gpus)
        processors = [one["CPU"] for one in there if one.get("CPU")]
        if not processors:
            raise ModelUnavailable("The Ray cluster has no processor to work with.", "Add a machine to it.")
        return cls(min(processors), 0, len(processors))


@dataclass(frozen=True)
class Machines:
    """A cluster that was joined. Each part computes with as many `threads` as here, so that sums round alike."""

    ray: Any
    place: Place
    threads: int

    @classmethod
    @contextmanager
    def joined(cls, address: str, device: str) -> Generator["Machines", None, None]:
        """The machines of the cluster at an address, for the length of a `with`; see `joined`."""
        with joined(address) as ray:
            yield cls(ray, Place.of(ray.nodes(), device), threads())

    def each(self, work: Callable[[str, Any], str], job: str, parts: Iterable[Any]) -> Generator[str, None, None]:
        """What `work(job, part)` gives for each part, in their order; what is begun is ended once this is closed.

        A `wire.refusal` that it gives is raised. Raises ModelUnavailable where a part is lost again and again.
        """
        ray = self.ray
        task = ray.remote(
            num_cpus=self.place.cpus,
            num_gpus=self.place.gpus,
            max_retries=_TRIES,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(self.threads))}},
        )(work)
        begun = (task.remote(job, part) for part in parts)
        under_way = deque(islice(begun, _AHEAD * self.place.many))
        try:
            while under_way:
                told = self._told(under_way[0])
                under_way.popleft()
                under_way.extend(islice(begun, 1))
                yield told
        finally:
            for one in under_way:
                ray.cancel(one)

    def _told(self, one: Any) -> str:
        try:
            told: str = self.ray.get(one)
        except self.ray.exceptions.RayError as error:
            reason = f"The cluster lost a part {_TRIES} times, or failed at it ({type(error).__name__})."
            raise ModelUnavailable(reason, "See Ray's logs; the same command goes on.") from None
        wire.check(told)
        return told
