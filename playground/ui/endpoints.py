"""The page's API: /say, /sweep and /axes, by name, for gradio_client and, where they are offered, as MCP tools.

What a person can do on the page a program can do here, within the same limits. All answers are plain JSON values.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gradio as gr
from gradio.events import api as gradio_api

from playground.errors import PlaygroundError
from playground.events import Finished, Token, to_json
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.ui.hosting import Hosted

_EVERY_S = 0.1  # replies come at most this often while they grow


class Endpoints:
    """The endpoints of one player. Docstrings are what a client and an MCP tool's user read."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted

    def axes(self) -> list[dict[str, Any]]:
        """List the axes: what each is, what it was trained on, its measured curve and safe range.

        Returns:
            One card for each axis.
        """
        return [axis.card.model_dump(mode="json") for axis in self.hosted.axes.values()]

    def say(
        self,
        prompt: str,
        axis: str = "",
        alphas: list[float] = [1.0],  # noqa: B006 - gradio reads defaults as they stand; it is never changed
        controls: list[float] = [0.0],  # noqa: B006
        system: str = "",
        temperature: float = 0.0,
        seed: int = 0,
        max_new_tokens: int = 64,
    ) -> Generator[list[dict[str, Any]]]:
        """Reply to a prompt at one or more strengths along an axis, all at once; replies grow while they are written.

        Args:
            prompt: What to say to the model.
            axis: The name of an axis, see /axes; empty for the base model alone.
            alphas: Strengths of the identity layer: 0 is the base model, 1 as trained.
            controls: Strengths of the value function: 0 is off, 1 as calibrated. Each is paired with each alpha.
            system: Instructions the model keeps in mind; empty for none.
            temperature: 0 is greedy.
            seed: Fixes the noise, which all strengths share.
            max_new_tokens: Longest reply, in tokens.

        Returns:
            One object for each strength: alpha, control and text; once it is finished also reward, kl, perplexity
            and more, as `playground say --json` tells them.
        """
        with _as_messages():
            strengths = [Strength(axis=axis or "none", alpha=a, control=c) for a in alphas for c in controls]
            messages = conversation(prompt, system or None)
            used = [(strength,) for strength in strengths] if axis else [()]
            rows = tuple(Row(messages=messages, strengths=own, seed=seed) for own in used)
            sampling = Sampling(temperature=temperature)
            request = Request(rows=rows, sampling=sampling, max_new_tokens=max_new_tokens)
            replies, due = [_begun(row) for row in rows], 0.0
            with closing(self.hosted.run(request)) as events:
                for event in events:
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
        axis: str,
        prompts: list[str],
        alphas: str = "-1:2:0.5",
        controls: str = "0",
        seeds: int = 1,
        seed: int = 0,
        temperature: float = 0.7,
        max_new_tokens: int = 48,
    ) -> Generator[dict[str, Any]]:
        """Measure an axis over a grid of strengths: means with 95 % intervals over the prompts, growing as it goes.

        Args:
            axis: The name of an axis, see /axes.
            prompts: What to reply to at every strength.
            alphas: start:end:step, or numbers with commas.
            controls: The same for control.
            seeds: Replies to each prompt at each strength.
            seed: Fixes the noise of them all.
            temperature: 0 is greedy; then one seed is enough.
            max_new_tokens: Longest reply, in tokens.

        Returns:
            done and total count replies; points holds one object for each strength, with its metrics.
        """
        from playground.sweep import Plan, PointMeasured, parse_grid, sweep

        with _as_messages():
            plan = Plan(
                axis=axis, alphas=parse_grid(alphas), controls=parse_grid(controls), prompts=tuple(prompts),
                seeds=seeds, seed=seed, temperature=temperature, max_new_tokens=max_new_tokens,
            )  # fmt: skip
            self.hosted.check_axis(axis)
            self.hosted.hosting.check_plan(plan)
            count, told = len(plan.strengths()), {"done": 0.0, "total": 0.0, "points": list[Any]()}
            with closing(sweep(self.hosted.player, plan)) as steps:
                for event in steps:
                    if isinstance(event, PointMeasured):
                        told["points"].append(event.point.model_dump(mode="json"))
                    else:
                        told = {"done": event.done, "total": event.total, "points": []}
                    if len(told["points"]) == count:
                        yield told


def offer(hosted: Hosted) -> None:
    """Put the endpoints into the present Blocks."""
    endpoints = Endpoints(hosted)
    gradio_api(endpoints.axes, api_name="axes", queue=False)
    gradio_api(endpoints.say, api_name="say", concurrency_limit=None)
    gradio_api(endpoints.sweep, api_name="sweep", concurrency_id="sweep", concurrency_limit=1)


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
