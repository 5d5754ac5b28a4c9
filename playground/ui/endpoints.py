"""The page's API: /say, /sweep and /axes, by name, for gradio_client and, where they are offered, as MCP tools.

What a person can do on the page a program can do here, within the same limits. All answers are plain JSON values.
"""

import functools
import inspect
import json
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import product
from typing import Annotated, Any, get_origin

import gradio as gr
from gradio.events import api as gradio_api
from pydantic import Field, ValidationInfo, create_model, field_validator
from pydantic.fields import FieldInfo

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished, Token, Waiting, to_json
from playground.fields import bare, default_of, grid_of
from playground.measure.plan import GRID, SweepPlan, count_strengths
from playground.serving.limits import LimitedPlayer
from playground.settings import (
    MAIN,
    SLIDERS,
    UNSTEERED,
    Length,
    Level,
    Noise,
    Options,
    Request,
    Row,
    Sampling,
    Settings,
    Sliders,
    Stopping,
    Strength,
    conversation,
)

_EVERY_S = 0.1  # replies come at most this often while they grow
_MOST = 1000  # values in a list


class Arguments(Settings):
    """What an endpoint was called with. One value may stand where a list is asked for; no truth value is a number."""

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        many = isinstance(default_of(field), list) or get_origin(field.annotation) is tuple
        is_text = isinstance(value, str) and grid_of(field) is not None
        values = tuple(value) if isinstance(value, list | tuple) else (value,)
        if any(isinstance(one, bool) for one in values):
            raise ValueError("true and false are neither numbers nor texts")
        return values if many and not is_text else value


Amounts = Annotated[tuple[Level, ...], Field(min_length=1)]


class _Said(Options, Stopping, Length, Noise, Sampling, Arguments):
    prompt: str = Field(description="What to say to the model.")
    axis: str = Field(default="", description="The name of an axis, see /axes; empty for the base model alone.")
    system: str = Field(default="", description="Instructions the model keeps in mind; empty for none.")

    @property
    def grids(self) -> list[tuple[float, ...]]:
        """The strengths along each slider; each goes with each of the others."""
        return [getattr(self, GRID.format(name)) for name in SLIDERS]

    def replies(self) -> int:
        """How many replies are asked for: one for each strength, or the base model's alone."""
        return math.prod(map(len, self.grids)) if self.axis else 1

    def request(self) -> Request:
        """The request that answers it."""
        options = self.model_dump(include=set(Options.model_fields))
        grid = [dict[str, Any](zip(SLIDERS, amounts, strict=True)) for amounts in product(*self.grids)]
        used = [(Strength(axis=self.axis, **at, **options),) for at in grid] if self.axis else [()]
        messages = conversation(self.prompt, self.system or None)
        rows = tuple(Row(messages=messages, strengths=own, seed=self.seed) for own in used)
        sampling = Sampling(**self.model_dump(include=set(Sampling.model_fields)))
        return Request(rows=rows, sampling=sampling, max_new_tokens=self.max_new_tokens, stop=self.stop)


def _amounts(slider: str) -> Any:
    told = (
        f"Strengths of {slider}: {Sliders.model_fields[slider].description} Each goes with each of the other sliders'."
    )
    return Amounts, Field(default=(float(slider == MAIN),), description=told)


_strengths: Any = {GRID.format(name): _amounts(name) for name in SLIDERS}
SayArguments: type[_Said] = create_model("SayArguments", __base__=_Said, **_strengths)
"""What /say takes."""

_swept: Any = {name: (field.annotation, field) for name, field in SweepPlan.model_fields.items() if name != "batch"}
SweepArguments: type[Arguments] = create_model("SweepArguments", __base__=Arguments, **_swept)
"""What /sweep takes: a plan, of which nothing is built before its size is checked."""

_GRIDS = tuple(map(GRID.format, SLIDERS))
_SAY = ("prompt", "axis", *_GRIDS, "system", "temperature", "seed", "max_new_tokens", "stop")
_SWEEP = ("axis", "prompts", *_GRIDS, "seeds", "seed", "temperature", "max_new_tokens")
"""The arguments in the order that callers count on; others come after them."""


def taking(arguments: type[Arguments], first: Sequence[str]) -> Callable[..., Any]:
    """Make an endpoint of a method that takes them as one mapping: signature and descriptions come from the fields."""
    names = [*first, *(name for name in arguments.model_fields if name not in first)]
    fields = {name: arguments.model_fields[name] for name in names}

    def decorate(method: Callable[..., Generator[Any]]) -> Callable[..., Generator[Any]]:
        @functools.wraps(method)
        def endpoint(self: "Endpoints", who: gr.Request, *values: Any, **named: Any) -> Generator[Any]:
            given = {**dict(zip(names, values, strict=False)), **named}
            with _as_messages():
                _check_size(given)
                yield from method(self, who, arguments(**given))

        own = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", "who")]
        own[1] = own[1].replace(annotation=gr.Request)
        taken = [_parameter(name, field) for name, field in fields.items()]
        returns = inspect.signature(method, eval_str=True).return_annotation
        signature = inspect.Signature([*own, *taken], return_annotation=returns)
        endpoint.__signature__ = signature  # pyrefly: ignore[missing-attribute]
        endpoint.__annotations__ = {one.name: one.annotation for one in [own[1], *taken]} | {"return": returns}
        endpoint.__doc__ = _described(inspect.getdoc(method) or "", fields)
        return endpoint

    return decorate


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = str if grid_of(field) is not None else bare(field.annotation)
    default = inspect.Parameter.empty if field.is_required() else default_of(field)
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def _described(told: str, fields: Mapping[str, FieldInfo]) -> str:
    """A docstring with a line for each argument before what it returns: what a client and an MCP tool's user read."""
    sentence, returns = told.split("Returns:", 1)
    lines = [f"    {name}: {field.description or ''}" for name, field in fields.items()]
    return "\n".join([sentence.rstrip(), "", "Args:", *lines, "", f"Returns:{returns}"])


def _check_size(given: Mapping[str, Any]) -> None:
    """Refuse more values than a list may have, and lists in lists, before anything walks through them."""
    for name, value in given.items():
        values = value if isinstance(value, list | tuple) else (value,)
        if len(values) > _MOST:
            raise InvalidInput(f"{name}: {len(values)} values are more than {_MOST}.", "Give fewer.")
        if any(isinstance(one, list | tuple | dict) for one in values):
            raise InvalidInput(f"{name}: a list in a list, or an object, is no value.", "Give numbers or texts.")


class Endpoints:
    """The endpoints of one player. Docstrings are what a client and an MCP tool's user read."""

    def __init__(self, hosted: LimitedPlayer) -> None:
        self.hosted = hosted

    def axes(self) -> list[dict[str, Any]]:
        """List the axes: what each is, what it was trained on, its measured curve and tested range.

        Returns:
            One card for each axis.
        """
        return [axis.card.model_dump(mode="json") for axis in self.hosted.axes.values()]

    @taking(SayArguments, _SAY)
    def say(self, who: gr.Request, said: _Said) -> Generator[list[dict[str, Any]]]:
        """Reply to a prompt at one or more strengths along an axis, all at once; replies grow while they are written.

        Returns:
            One object for each strength: how far along each slider, and text; once it is finished also reward, kl,
            perplexity and more, as `playground generate --json` tells them. While the request waits for a place,
            waiting says how many are let in before it.
        """
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

    @taking(SweepArguments, _SWEEP)
    def sweep(self, who: gr.Request, swept: Arguments) -> Generator[dict[str, Any]]:
        """Measure an axis over a grid of strengths: means with 95 % intervals over the prompts, growing as it goes.

        Returns:
            done and total count replies; points holds one object for each strength, with its metrics. While the
            request waits for a place, waiting says how many are let in before it.
        """
        from playground.measure.sweep import PointMeasured

        given: dict[str, Any] = dict(swept)
        grids = {name: given[GRID.format(name)] for name in SLIDERS}
        self.hosted.hosting.check_size(grids, given["prompts"], given["seeds"])
        plan = SweepPlan(**given)
        count = count_strengths(plan.grids)
        told: dict[str, Any] = {"done": 0.0, "total": float(plan.replies()), "points": list[Any]()}
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
def _as_messages() -> Generator[None]:
    """Errors that are the caller's to correct reach it as one message."""
    try:
        yield
    except PlaygroundError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _begun(row: Row) -> dict[str, Any]:
    at = row.strengths[0].at if row.strengths else UNSTEERED
    return {**at.amounts, "text": ""}
