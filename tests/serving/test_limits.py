"""A page's limits: read from the environment, kept by whoever asks, and written down as they are."""

import ast
import asyncio
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from starlette.datastructures import Headers

from playground.engine.loading import load_model
from playground.errors import AxisMismatch, InvalidInput, ModelUnavailable
from playground.events import Finished, Started, Waiting
from playground.measure.plan import SweepPlan
from playground.player import Player
from playground.serving.hosting import PREFIX, PUBLIC, ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client, client_of
from playground.settings import Request, Row, Strength, conversation
from playground.ui.app import build
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis
from tests.ui.fake_player import FakePlayer

ROOT = Path(__file__).parents[2]


def request(rows: int = 1, axis: str = "extraversion", **settings: Any) -> Request:
    row = Row(messages=conversation("Hello."), strengths=(Strength(axis=axis),))
    return Request(rows=(row,) * rows, **settings)


def whole_page(player: FakePlayer, hosting: ServerSettings) -> gr.Blocks:
    """All the page of a player. Outside a running loop gradio would leave a new one behind, unclosed."""

    async def built() -> gr.Blocks:
        return build(LimitedPlayer(player, hosting))  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(lambda: asyncio.run(built())).result()


def plan(**settings: Any) -> SweepPlan:
    return SweepPlan(**{"axis": "extraversion", "alphas": (0.0, 1.0), "prompts": ("a", "b"), **settings})


def test_the_environment_sets_it_and_what_is_given_goes_before() -> None:
    read = ServerSettings.read(
        {"PLAYGROUND_MODEL": "tiny", "PLAYGROUND_MAX_ROWS": "9", "HOME": "/"}, model=None, dtype="int8"
    )
    assert (read.model, read.max_rows, read.dtype, read.public) == ("tiny", 9, "int8", False)
    assert ServerSettings.read({"PLAYGROUND_MODEL": "tiny"}, model="smollm2").model == "smollm2"
    assert ServerSettings.read({}) == ServerSettings()


def test_a_space_is_public_unless_told_and_a_public_page_has_tighter_limits() -> None:
    assert ServerSettings.read({"SPACE_ID": "a/b"}).public
    assert not ServerSettings.read({"SPACE_ID": "a/b", "PLAYGROUND_PUBLIC": "0"}).public
    public, own = ServerSettings.read({"PLAYGROUND_PUBLIC": "1"}), ServerSettings()
    assert all(getattr(public, name) < getattr(own, name) for name in PUBLIC)
    assert ServerSettings.read({"PLAYGROUND_PUBLIC": "1", "PLAYGROUND_MAX_ROWS": "64"}).max_rows == 64
    assert ServerSettings.read({"SPACE_ID": "somebody/alignment"}).space == "somebody/alignment"
    assert ServerSettings.read({"SPACES_ZERO_GPU": "true"}).zero_gpu


@pytest.mark.parametrize(
    "environment",
    [
        {"PLAYGROUND_MAX_ROW": "9"},
        {"PLAYGROUND_MAX_ROWS": "many"},
        {"PLAYGROUND_MAX_ROWS": "0"},
        {"PLAYGROUND_PUBLIC": "perhaps"},
        {"PLAYGROUND_MODEL": ""},
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        ServerSettings.read(environment)
    assert next(iter(environment)).removeprefix(PREFIX).lower() in str(refused.value).lower()


def test_requests_keep_to_the_limits() -> None:
    hosting = ServerSettings(max_new_tokens=20, max_rows=8)
    hosting.check(request(8, max_new_tokens=20))
    for beyond in (request(9, max_new_tokens=20), request(1, max_new_tokens=21)):
        with pytest.raises(InvalidInput, match="this page writes"):
            list(LimitedPlayer(FakePlayer(), hosting).run(beyond))  # type: ignore[arg-type]


def test_measurings_keep_to_the_limits() -> None:
    hosting = ServerSettings(max_new_tokens=48, max_replies=8)
    hosting.check_plan(plan(seeds=2, max_new_tokens=48))
    for beyond in (plan(seeds=3, max_new_tokens=48), plan(max_new_tokens=49)):
        with pytest.raises(InvalidInput, match=r"(T|t)his page"):
            hosting.check_plan(beyond)
    with pytest.raises(InvalidInput, match="borrows its GPU"):
        ServerSettings(zero_gpu=True).check_plan(plan())


def test_a_sweep_is_asked_in_requests_that_keep_to_the_limits(tmp_path: Path, tiny_folder: FolderOf) -> None:
    model = load_model(tiny_folder("llama"))
    player = Player(model)
    player.axis(str(make_tiny_axis(tmp_path / "cheer", tiny_folder("llama"))))
    asked: list[int] = []
    hosted = LimitedPlayer(player, ServerSettings(public=True, max_rows=8))
    wide = plan(axis="cheer", alphas=tuple(range(-20, 20)), prompts=("a",), max_new_tokens=2, batch=4000)

    def watched(axes: Any, request: Request, **more: Any) -> Any:
        asked.append(len(request.rows))
        return real(axes, request, **more)

    real = player.scheduler.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(player.scheduler, "run", watched)
        list(hosted.sweep(wide))
    assert asked == [8] * 5
    assert list(hosted.identity(wide)) == list(hosted.identity(wide.model_copy(update={"batch": 8})))


def test_a_conversation_no_context_can_hold_is_refused_before_it_stands_in_line() -> None:
    player = FakePlayer()
    long = Request(rows=(Row(messages=conversation("x" * (8 * player.context_length + 1))),))
    with pytest.raises(InvalidInput, match="16385 letters"):
        list(LimitedPlayer(player, ServerSettings()).run(long))  # type: ignore[arg-type]
    assert player.requests == []


def test_who_asks_is_known_by_address_and_session_and_by_a_proxy_only_where_there_is_one() -> None:
    def asked(host: str, *forwarded: str) -> Any:
        headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in forwarded])
        return SimpleNamespace(client=SimpleNamespace(host=host), headers=headers, session_hash="s")

    assert client_of(asked("10.0.0.1", "1.2.3.4")) == Client("10.0.0.1", "s")
    assert client_of(asked("10.0.0.1", "6.6.6.6, 1.2.3.4"), proxies=1) == Client("1.2.3.4", "s")
    assert client_of(asked("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2"), proxies=2) == Client("1.2.3.4", "s")
    assert client_of(asked("10.0.0.1", "6.6.6.6", "1.2.3.4"), proxies=1) == Client("1.2.3.4", "s"), "of two lines"
    assert client_of(asked("10.0.0.1", "1.2.3.4"), proxies=2) == Client("1.2.3.4", "s")
    assert client_of(asked("10.0.0.1"), proxies=1) == Client("10.0.0.1", "s")
    household = {client_of(asked(f"2001:db8:1:2::{n}")).host for n in (1, 2, 3)}
    assert len(household) == 1
    assert len(client_of(asked("x" * 10_000)).host) == 100
    assert client_of(SimpleNamespace(session_hash="me")) == Client("", "me")
    assert ServerSettings.read({"SPACE_ID": "a/b"}).proxies == 1 and ServerSettings().proxies == 0


def test_one_client_cannot_hold_all_places_and_who_waits_is_told_where() -> None:
    hosted = LimitedPlayer(FakePlayer(), ServerSettings())  # type: ignore[arg-type]
    greedy = [hosted.run(request(), Client("a", "s")) for _ in range(20)]
    firsts = [next(events) for events in greedy]
    assert [type(event) for event in firsts[:4]] == [Started] * 4
    assert [event.before for event in firsts[4:] if isinstance(event, Waiting)] == list(range(16))
    other = list(hosted.run(request(), Client("b", "s")))
    assert isinstance(other[0], Started) and isinstance(other[-1], Finished)
    greedy[0].close()
    assert isinstance(next(greedy[4]), Started)
    for events in greedy:
        events.close()
    assert hosted._replies.taken == hosted._replies.waiting == 0


def test_on_a_public_page_an_axis_goes_by_its_name_never_by_a_path(tmp_path: Path) -> None:
    path = request(axis=str(tmp_path))
    with pytest.raises(AxisMismatch, match="no axis named"):
        list(LimitedPlayer(FakePlayer(), ServerSettings(public=True)).run(path))  # type: ignore[arg-type]
    assert list(LimitedPlayer(FakePlayer(), ServerSettings(public=True)).run(request()))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="switched off on this public page"):
        ServerSettings(public=True).check_own("Uploading")
    ServerSettings().check_own("Uploading")


def test_a_borrowed_gpu_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(ModelUnavailable, match="`spaces`"):
        LimitedPlayer(FakePlayer(), ServerSettings(zero_gpu=True))  # type: ignore[arg-type]


# --- one door ---------------------------------------------------------------------------------------------------------

MAY_MEET_THE_PLAYER = {"app.py", "server.py", "recordings.py"}
"""Who makes the door, is the door, is called by it, or is a command of its own."""

BEHIND_THE_DOOR = {"_player", "_replies", "_measurings", "scheduler"}
WORKS = {"sweep", "spectrum", "steps"}
"""What hands a player work past LimitedPlayer.run."""


def test_no_page_and_no_endpoint_reaches_the_player_but_by_the_door() -> None:
    for path in [path for room in ("api", "ui") for path in (ROOT / "playground" / room).rglob("*.py")]:
        if path.name in MAY_MEET_THE_PLAYER:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in BEHIND_THE_DOOR, f"{path.name}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("playground"):
                names = {alias.name for alias in node.names}
                assert node.module != "playground.player" and not names & {"player", "engine"}, f"{path.name}:{names}"
                assert not (node.module or "").startswith("playground.engine"), f"{path.name}:{node.module}"
                assert not names & WORKS, f"{path.name}:{names}"


def test_nothing_that_a_handler_holds_is_the_player() -> None:
    player = FakePlayer(axes=())
    blocks = whole_page(player, ServerSettings(public=True))
    owners = [getattr(one.fn, "__self__", None) for one in blocks.fns.values()]
    held = {id(owner): owner for owner in owners if owner is not None}
    left = list(held.values())
    while left:
        one = left.pop()
        if isinstance(one, LimitedPlayer):
            continue
        assert one is not player
        for value in vars(one).values():
            if type(value).__module__.startswith(("playground", "tests")) and id(value) not in held:
                held[id(value)] = value
                if hasattr(value, "__dict__"):
                    left.append(value)
    assert any(isinstance(one, LimitedPlayer) for one in held.values())


# --- what is written down about it ------------------------------------------------------------------------------------


def test_every_setting_is_in_the_documentation_with_its_defaults() -> None:
    rows = re.findall(
        r"^\| `PLAYGROUND_(\w+)` \| (\S+) \| (\S+) \| (.+) \|$", (ROOT / "docs" / "space.md").read_text(), re.MULTILINE
    )
    fields = ServerSettings.model_fields
    public = {**{name: field.default for name, field in fields.items()}, **PUBLIC, "public": True}
    told = {name.lower(): (default, there, means) for name, default, there, means in rows}
    assert told == {
        name: (_written(field.default), _written(public[name]), field.description) for name, field in fields.items()
    }


def _written(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def test_a_space_installs_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {*project["dependencies"], *project["optional-dependencies"]["gguf"]}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == sorted(needed)


def test_the_front_matter_says_what_was_tested() -> None:
    from packaging.specifiers import SpecifierSet

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = dict(line.split(": ", 1) for line in readme.split("---\n")[1].splitlines())
    tested = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
    )
    assert front["sdk"] == "gradio" and front["sdk_version"] == tested["gradio"]
    assert (ROOT / front["app_file"]).is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(front["python_version"].strip('"'))
    assert len(front["short_description"]) <= 60
