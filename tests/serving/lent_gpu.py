"""Stands in for the package `spaces`: a call runs in a forked copy of the process, which can be killed at any event."""

import multiprocessing
import pickle
import warnings
from collections.abc import Callable, Generator
from typing import Any

_fork = multiprocessing.get_context("fork")


class Lender:
    """Lends a GPU that there is not; `kill_after` events the next call's process is killed."""

    def __init__(self) -> None:
        self.durations: list[float] = []
        self.kill_after: int | None = None

    def GPU(self, duration: Callable[[Any], float]) -> Any:
        def lend(task: Any) -> Any:
            def run(request: Any) -> Generator[Any, None, None]:
                self.durations.append(duration(request))
                left, self.kill_after = self.kill_after, None
                yield from self._call(task, pickle.dumps(request), left)

            return run

        return lend

    def _call(self, task: Any, request: bytes, left: int | None) -> Generator[Any, None, None]:
        reader, writer = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_work, args=(task, request, writer), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is the point
            process.start()
        writer.close()
        try:
            while True:
                try:
                    kind, value = pickle.loads(reader.recv_bytes())
                except EOFError:
                    raise RuntimeError("ZeroGPU worker error: GPU task aborted") from None
                if kind == "end":
                    return
                if kind == "error":  # of which no more crosses than its kind
                    raise RuntimeError(f"ZeroGPU worker error: {value}")
                yield value
                left = None if left is None else left - 1
                if left == 0:
                    process.kill()
                    process.join()
        finally:
            process.kill()
            process.join()
            reader.close()


def _work(task: Any, request: bytes, writer: Any) -> None:
    try:
        for one in task(pickle.loads(request)):
            writer.send_bytes(pickle.dumps(("told", one)))
        writer.send_bytes(pickle.dumps(("end", None)))
    except Exception as error:
        writer.send_bytes(pickle.dumps(("error", type(error).__name__)))
