"""The page's API: /say, /sweep and /axes, by name, for gradio_client and, where they are offered, as MCP tools.

What a person can do on the page a program can do here, within the same limits. All answers are plain JSON values.
"""

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated, Any

import gradio as gr
from gradio.events import api as gradio_api
from pydantic import BeforeValidator, Field

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished, Token, Waiting, to_json
from playground.serving.limits import LimitedPlayer
from playground.settings import LENGTH, Request, Row, Sampling, Settings, Strength, conversation

_EVERY_S = 0.1  # replies come at most this often while they grow
_MOST = 1000  # values in a list


def _number(value: Any) -> Any:
    """A number, or its text; true and false are none, although Python counts with them."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("this is no number")
    return value


def _list(value: Any) -> Any:
    """A list; one value is a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _numbers(value: Any) -> Any:
    return tuple(map(_number, _list(value)))


def _grid(value: Any) -> Any:
    """A grid as text, or its numbers."""
    from playground.measure.plan import parse_grid

    return parse_grid(value) if isinstance(value, str) else _numbers(value)


def _check_size(given: Mapping[str, Any]) -> None:
    """Refuse more values than a list may have, and lists in lists, before anything walks through them."""
    for name, value in given.items():
        values = _list(value)
        if len(values) > _MOST:
            raise InvalidInput(f"{name}: {len(values)} values are more than {_MOST}.", "Give fewer.")
        if any(isinstance(one, list | tuple | dict) for one in values):
            raise InvalidInput(f"{name}: a list in a list, or an object, is no value.", "Give numbers or texts.")


Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers), Field(min_length=1)]
Grid = Annotated[tuple[float, ...], BeforeValidator(_grid), Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list), Field(min_length=1)]


class SayArguments(Settings):
    """What /say was called with."""

    prompt: str
    axis: str
    alphas: Numbers
    controls: Numbers
    system: str
    temperature: Number
    seed: Whole
    max_new_tokens: Whole
    stop: Annotated[tuple[str, ...], BeforeValidator(_list)]

    def replies(self) -> int:
        """How many replies are asked for: one for each pair of strengths, or the base model's alone."""
        return len(self.alphas) * len(self.controls) if self.axis else 1

    def request(self) -> Request:
        """The request that answers it."""
        grid = [(alpha, control) for alpha in self.alphas for control in self.controls]
        used = [(Strength(axis=self.axis, alpha=a, control=c),) for a, c in grid] if self.axis else [()]
        messages = conversation(self.prompt, self.system or None)
        rows = tuple(Row(messages=messages, strengths=own, seed=self.seed) for own in used)
        sampling = Sampling(temperature=self.temperature)
        return Request(rows=rows, sampling=sampling, max_new_tokens=self.max_new_tokens, stop=self.stop)


class SweepArguments(Settings):
    """What /sweep was called with."""

    axis: str
    prompts: Texts
    alphas: Grid
    controls: Grid
    seeds: Whole
    seed: Whole
    temperature: Number
    max_new_tokens: Whole


class Endpoints:
    """The endpoints of one player. Docstrings are what a client and an MCP tool's user read."""

    def __init__(self, hosted: LimitedPlayer) -> None:
        self.hosted = hosted

    def axes(self) -> list[dict[str, Any]]:
        """List the axes: what each is, what it was trained on, its measured curve and safe range.

        Returns:
            One card for each axis.
        """
        return [axis.card.model_dump(mode="json") for axis in self.hosted.axes.values()]

    def say(
        self,
        who: gr.Request,
        prompt: str,
        axis: str = "",
        alphas: list[float] = [1.0],  # noqa: B006 - gradio reads defaults as they stand; it is never changed
        controls: list[float] = [0.0],  # noqa: B006
        system: str = "",
        temperature: float = 0.0,
        seed: int = 0,
        max_new_tokens: int = LENGTH,
        stop: list[str] = [],  # noqa: B006
    ) -> Generator[list[dict[str, Any]]]:
        """Reply to a prompt at one or more strengths along an axis, all at once; replies grow while they are written.

        Args:
            prompt: What to say to the model.
            axis: The name of an axis, see /axes; empty for the base model alone.
            alphas: Strengths of the identity layer: 0 is the base model, 1 as trained. A number is a list of one.
            controls: Strengths of the value function: 0 is off, 1 as calibrated. Each is paired with each alpha.
            system: Instructions the model keeps in mind; empty for none.
            temperature: 0 is greedy.
            seed: Fixes the noise, which all strengths share.
            max_new_tokens: Longest reply, in tokens.
            stop: Texts before which a reply ends, up to four.

        Returns:
            One object for each strength: alpha, control and text; once it is finished also reward, kl, perplexity
            and more, as `playground say --json` tells them. While the request waits for a place, waiting says how
            many are let in before it.
        """
        with _as_messages():
            given: dict[str, Any] = {
                "prompt": prompt, "axis": axis, "alphas": alphas, "controls": controls, "system": system,
                "temperature": temperature, "seed": seed, "max_new_tokens": max_new_tokens, "stop": stop,
            }  # fmt: skip
            _check_size(given)
            said = SayArguments(**given)
            self.hosted.hosting.check_rows(said.replies())
            request = said.request()
            replies, due = [_begun(row) for row in request.rows], 0.0
            with closing(self.hosted.run(request, self.hosted.client(who))) as events:
                for event in events:
                    if isinstance(event, Waiting):
                        yield [{**reply, "waiting": event.before} for reply in replies]
                        continue
                    if isinstance(event, Token):
                        replies[event.row]["text"] += event.text
                    elif isinstance(event, Finished):
                        replies[event.row] = json.loads(to_json(event))
                    if time.monotonic() >= due:
                        yield [dict(reply) for reply in replies]
                        due = time.monotonic() + _EVERY_S
            yield replies

    def sweep(
        self,
        who: gr.Request,
        axis: str,
        prompts: list[str],
        alphas: str = "-1:2:0.5",
        controls: str = "0",
        seeds: int = 1,
        seed: int = 0,
        temperature: float = 0.7,
        max_new_tokens: int = LENGTH,
    ) -> Generator[dict[str, Any]]:
        """Measure an axis over a grid of strengths: means with 95 % intervals over the prompts, growing as it goes.

        Args:
            axis: The name of an axis, see /axes.
            prompts: What to reply to at every strength. A text is a list of one.
            alphas: start:end:step, or numbers with commas, whose decimal sign is a point; or a list of numbers.
            controls: The same for control.
            seeds: Replies to each prompt at each strength.
            seed: Fixes the noise of them all.
            temperature: 0 is greedy; then one seed is enough.
            max_new_tokens: Longest reply, in tokens.

        Returns:
            done and total count replies; points holds one object for each strength, with its metrics. While the
            request waits for a place, waiting says how many are let in before it.
        """
        from playground.measure.plan import SweepPlan, count_strengths
        from playground.measure.sweep import PointMeasured

        with _as_messages():
            given: dict[str, Any] = {
                "axis": axis, "prompts": prompts, "alphas": alphas, "controls": controls, "seeds": seeds, "seed": seed,
                "temperature": temperature, "max_new_tokens": max_new_tokens,
            }  # fmt: skip
            _check_size(given)
            swept = SweepArguments(**given)
            self.hosted.hosting.check_size(swept.alphas, swept.controls, swept.prompts, swept.seeds)
            plan = SweepPlan(**dict(swept))
            count = count_strengths(plan.alphas, plan.controls)
            told = {"done": 0.0, "total": float(plan.replies()), "points": list[Any]()}
            with closing(self.hosted.sweep(plan, self.hosted.client(who))) as steps:
                for event in steps:
                    if isinstance(event, Waiting):
                        yield {**told, "waiting": event.before}
                    elif isinstance(event, PointMeasured):
                        told["points"].append(event.point.model_dump(mode="json"))
                    else:
                        told = {"done": event.done, "total": event.total, "points": []}
                    if len(told["points"]) == count:
                        yield told


def offer(hosted: LimitedPlayer) -> None:
    """Put the endpoints into the present Blocks. Who must wait, waits at the door and not in gradio's queue."""
    endpoints = Endpoints(hosted)
    gradio_api(endpoints.axes, api_name="axes", queue=False)
    gradio_api(endpoints.say, api_name="say", concurrency_limit=None)
    gradio_api(endpoints.sweep, api_name="sweep", concurrency_limit=None)


@contextmanager
def _as_messages() -> Iterator[None]:
    """Errors that are the caller's to correct reach it as one message."""
    try:
        yield
    except PlaygroundError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _begun(row: Row) -> dict[str, Any]:
    alpha, control = (row.strengths[0].alpha, row.strengths[0].control) if row.strengths else (0.0, 0.0)
    return {"alpha": alpha, "control": control, "text": ""}
