"""What strangers' programs may send: every endpoint over every limit, every handler anything, many at once."""

import json
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from playground import settings
from playground.errors import PlaygroundError
from playground.measure import plan as plan_module
from playground.serving.bodies import DEEPEST
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.ui import endpoints
from playground.ui.endpoints import Endpoints
from tests.browser.conftest import serve
from tests.serving.test_limits import whole_page
from tests.ui.fake_player import FakePlayer
from tests.ui.raw import Raw

PROXIED = {"PLAYGROUND_PUBLIC": "1", "PLAYGROUND_PROXIES": "1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Raw, Path, Path]]:
    """A page for strangers, its log, and the file that holds up what it writes while it exists."""
    folder = tmp_path_factory.mktemp("server")
    for url in serve(folder / "log", "0", HELD_BY=str(folder / "held"), **PROXIED):
        yield Raw(url), folder / "log", folder / "held"


# --- over the limit, in this process: nothing is built ----------------------------------------------------------------

GIVEN: dict[str, dict[str, Any]] = {
    "axes": {},
    "say": {
        "prompt": "Hello.", "axis": "extraversion", "alphas": [0.0], "controls": [0.0], "system": "",
        "temperature": 0.0, "seed": 0, "max_new_tokens": 4, "stop": [], "top_k": 0, "top_p": 1.0,
        "repetition_penalty": 1.0, "updates": None, "step_size": None, "method": None, "target": None,
    },
    "sweep": {
        "axis": "extraversion", "prompts": ["Hello."], "alphas": "0,1", "controls": "0", "seeds": 1, "seed": 0,
        "temperature": 0.7, "max_new_tokens": 4, "updates": None, "step_size": None, "method": None, "target": None,
    },
}  # fmt: skip
"""A call of each endpoint that is within all limits."""

MANY = [float(n) for n in range(1000)]
OVER: dict[str, list[Any]] = {
    "prompt": ["x" * 900_000],
    "system": ["x" * 900_000],
    "axis": ["x" * 900_000],
    "alphas": ["0:999:1", ",".join(["1"] * 400_000), MANY, [0.0] * 300_000, "0:1:1e-300"],
    "controls": ["0:999:1", MANY, [[0.0] * 1000] * 100],
    "prompts": [["x" * 900_000], [str(n) for n in range(100_000)], "x" * 900_000],
    "seeds": [10**9, 10**400],
    "seed": [2**63, 10**400, -1],
    "temperature": [1e308, -1],
    "max_new_tokens": [257, 10**400],
    "top_k": [-1, 10**400],
    "top_p": [0, 1.1],
    "repetition_penalty": [0, 11],
    "updates": [-1, 1001, 10**400],
    "step_size": [-1, 1e308],
    "target": [1e308, "high"],
    "method": ["x" * 61],
    "stop": [["."] * 5, "x" * 201, [""], [["."]]],
}
"""Arguments over a limit, by name."""


def test_a_call_of_every_endpoint_is_known_with_every_argument() -> None:
    page = whole_page(FakePlayer(axes=()), ServerSettings(public=True))
    offered = [one for one in page.fns.values() if one.api_visibility == "public"]
    called = {one.api_name: [name for name in signature(one.fn).parameters if name != "who"] for one in offered}  # type: ignore[arg-type]
    assert called == {name: list(given) for name, given in GIVEN.items()}
    assert {name for given in GIVEN.values() for name in given} == set(OVER)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        pytest.param(name, argument, value, id=f"{name} {argument} {number}")
        for name, given in GIVEN.items()
        for argument in given
        for number, value in enumerate(OVER[argument])
    ],
)
def test_every_endpoint_over_every_limit_is_refused_before_anything_is_built_or_asked(
    name: str, argument: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = FakePlayer()
    hosted = LimitedPlayer(player, ServerSettings.read({"PLAYGROUND_PUBLIC": "1"}))  # type: ignore[arg-type]
    built: list[str] = []

    def counting(kind: Any) -> Any:
        def build_one(**values: Any) -> Any:
            built.append(kind.__name__)
            return kind(**values)

        return build_one

    for module in (endpoints, plan_module):
        monkeypatch.setattr(module, "Row", counting(settings.Row))
        monkeypatch.setattr(module, "Strength", counting(settings.Strength))
    call = getattr(Endpoints(hosted), name)
    with pytest.raises(gr.Error) as refused:
        list(call(None, **{**GIVEN[name], argument: value}))
    assert len(str(refused.value)) < 500
    assert player.requests == []
    assert len(built) <= 4, "what is within the limits may be built, and no more"


@pytest.mark.parametrize("value", [True, None, {}, {"a": 1}, [[1]], [None], [True], float("nan"), float("inf"), "one"])
@pytest.mark.parametrize("name", ["alphas", "controls", "seed", "temperature", "max_new_tokens", "seeds"])
def test_what_is_no_number_is_refused_by_the_arguments_name(name: str, value: Any) -> None:
    hosted = LimitedPlayer(FakePlayer(), ServerSettings())  # type: ignore[arg-type]
    endpoint = "sweep" if name == "seeds" else "say"
    with pytest.raises(gr.Error, match=f"^.{name}"):
        list(getattr(Endpoints(hosted), endpoint)(None, **{**GIVEN[endpoint], name: value}))


@pytest.mark.parametrize(
    ("value", "alphas"), [("12", [12]), (12, [12]), (0.5, [0.5]), ([0, "1"], [0, 1]), ("1e1", [10])]
)
def test_one_number_is_a_list_of_one(value: Any, alphas: list[float]) -> None:
    hosted = LimitedPlayer(FakePlayer(), ServerSettings())  # type: ignore[arg-type]
    *_, replies = Endpoints(hosted).say(None, **{**GIVEN["say"], "alphas": value})  # type: ignore[arg-type]
    assert [reply["alpha"] for reply in replies] == alphas


def test_one_prompt_is_a_list_of_one_and_a_grid_may_be_numbers() -> None:
    swept = endpoints.SweepArguments(**{**GIVEN["sweep"], "prompts": "Hello", "alphas": [0, 0.5], "controls": 1})
    assert (swept.prompts, swept.alphas, swept.controls) == (("Hello",), (0, 0.5), (1,))
    for wrong in (5, [5], [["Hello"]], {}, None, [None], []):
        with pytest.raises(PlaygroundError, match="prompts"):
            endpoints.SweepArguments(**{**GIVEN["sweep"], "prompts": wrong})


# --- over HTTP --------------------------------------------------------------------------------------------------------


def test_one_client_with_sixteen_long_requests_keeps_nobody_out_and_is_told_where_it_stands(
    server: tuple[Raw, Path, Path],
) -> None:
    raw, log, held = server
    held.touch()
    for number in range(16):
        raw.start(
            "say", [f"Number {number}.", "", 0, 0, "", 0, number, 120, []], "greedy", {"X-Forwarded-For": "1.1.1.1"}
        )
    *_, (_, replies) = raw.named("say", "Hello.", "", 0, 0, "", 0, 0, 2, [], headers={"X-Forwarded-For": "2.2.2.2"})
    assert replies[0][0]["finish_reason"], "somebody else is answered meanwhile"
    held.unlink()
    first: dict[str, Any] = {}
    for message in raw.messages("greedy", 16):
        if message["msg"] == "process_generating" and message["event_id"] not in first:  # later ones tell changes
            first[message["event_id"]] = message["output"]["data"][0][0].get("waiting")
    # Who is told first is a matter of threads: four write, and each of the others has a place of its own.
    places = [place for place in first.values() if place is not None]
    assert (len(first) - len(places), sorted(places)) == (4, list(range(12)))
    assert "Traceback" not in log.read_text()


# --- anything ---------------------------------------------------------------------------------------------------------


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


ANYTHING = [
    None, [], {"a": 1}, "x" * 100_000, -1, True, 10**400, "\ud800", [{"axis": "cheer", "alpha": 1}] * 2000,
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, nested(DEEPEST - 4),
]  # fmt: skip


@pytest.mark.timeout(900)
def test_every_handler_takes_anything_and_nothing_is_logged(server: tuple[Raw, Path, Path]) -> None:
    raw, log, _ = server
    once = {handler["api_name"].rstrip("_0123456789"): handler for handler in raw.handlers}
    for handler in once.values():
        for value in ANYTHING:
            ended = raw.call(handler["id"], [value] * len(handler["inputs"]), event=value)
            assert ended["success"] or len(json.dumps(ended["output"])) < 1000, (handler["api_name"], value)
        for values in ([], [None] * 40):
            raw.call(handler["id"], values)
    assert "Traceback" not in log.read_text()
