"""Ray, which an extra brings: joined where a cluster is, or started here for this process alone."""

import importlib.util
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from playground.errors import InvalidInput, ModelUnavailable, shown
from playground.serving.hosting import NONE

LOCAL = "local"
"""The address of a cluster that is started on this machine."""

_QUIET = logging.ERROR


@contextmanager
def joined(address: str = NONE, cpus: int | None = None) -> Generator[Any, None, None]:
    """The package ray, connected to the cluster at `address` for the length of a `with`.

    Without one, or at `local`, a cluster is started here, which listens on 127.0.0.1 alone and ends with the `with`; it
    has as many processors as this machine, or `cpus`. Nothing is reported to Ray's makers unless the environment says
    RAY_USAGE_STATS_ENABLED=1.
    Raises InvalidInput where the extra is missing, ModelUnavailable where no cluster answers.
    """
    if importlib.util.find_spec("ray") is None:
        raise InvalidInput("This needs the package ray, which is not installed.", "Run: pip install 'ray[serve]<3'.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is first imported
    here = address in (NONE, LOCAL)
    if here:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else it listens for other machines
    import ray

    if ray.is_initialized():  # by whoever made this process
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": _QUIET}
    try:
        if here:
            ray.init(num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ModelUnavailable(
            f"No Ray cluster answers at {shown(address)}: {str(error)[:200]}.", "See: ray status --address ADDRESS."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
