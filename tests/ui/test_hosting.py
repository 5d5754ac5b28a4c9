"""A page's limits: read from the environment, kept by whoever asks, and written down as they are."""

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import InvalidInput, ModelUnavailable
from playground.settings import Request, Row, Strength, conversation
from playground.sweep import Plan
from playground.ui.hosting import PREFIX, PUBLIC, Hosted, Hosting
from tests.ui.fake_player import FakePlayer

ROOT = Path(__file__).parents[2]


def request(rows: int = 1, axis: str = "extraversion", **settings: Any) -> Request:
    row = Row(messages=conversation("Hello."), strengths=(Strength(axis=axis),))
    return Request(rows=(row,) * rows, **settings)


def plan(**settings: Any) -> Plan:
    return Plan(**{"axis": "extraversion", "alphas": (0.0, 1.0), "prompts": ("a", "b"), **settings})


def test_the_environment_sets_it_and_what_is_given_goes_before() -> None:
    read = Hosting.read({"PLAYGROUND_MODEL": "tiny", "PLAYGROUND_MAX_ROWS": "9", "HOME": "/"}, model=None, dtype="int8")
    assert (read.model, read.max_rows, read.dtype, read.public) == ("tiny", 9, "int8", False)
    assert Hosting.read({"PLAYGROUND_MODEL": "tiny"}, model="smollm2").model == "smollm2"
    assert Hosting.read({}) == Hosting()


def test_a_space_is_public_unless_told_and_a_public_page_has_tighter_limits() -> None:
    assert Hosting.read({"SPACE_ID": "a/b"}).public
    assert not Hosting.read({"SPACE_ID": "a/b", "PLAYGROUND_PUBLIC": "0"}).public
    public, own = Hosting.read({"PLAYGROUND_PUBLIC": "1"}), Hosting()
    assert all(getattr(public, name) < getattr(own, name) for name in PUBLIC)
    assert Hosting.read({"PLAYGROUND_PUBLIC": "1", "PLAYGROUND_MAX_ROWS": "64"}).max_rows == 64
    assert Hosting.read({"SPACES_ZERO_GPU": "true"}).zero_gpu


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
        Hosting.read(environment)
    assert next(iter(environment)).removeprefix(PREFIX).lower() in str(refused.value).lower()


def test_requests_keep_to_the_limits() -> None:
    hosting = Hosting(max_new_tokens=20, max_rows=8)
    hosting.check(request(8, max_new_tokens=20))
    for beyond in (request(9, max_new_tokens=20), request(1, max_new_tokens=21)):
        with pytest.raises(InvalidInput, match="this page writes"):
            list(Hosted(FakePlayer(), hosting).run(beyond))  # type: ignore[arg-type]


def test_measurings_keep_to_the_limits() -> None:
    hosting = Hosting(max_new_tokens=48, max_replies=8)
    hosting.check_plan(plan(seeds=2, max_new_tokens=48))
    for beyond in (plan(seeds=3, max_new_tokens=48), plan(max_new_tokens=49)):
        with pytest.raises(InvalidInput, match=r"(T|t)his page"):
            hosting.check_plan(beyond)
    with pytest.raises(InvalidInput, match="borrows its GPU"):
        Hosting(zero_gpu=True).check_plan(plan())


def test_on_a_public_page_an_axis_goes_by_its_name_never_by_a_path(tmp_path: Path) -> None:
    path = request(axis=str(tmp_path))
    with pytest.raises(InvalidInput, match="no axis named"):
        list(Hosted(FakePlayer(), Hosting(public=True)).run(path))  # type: ignore[arg-type]
    assert list(Hosted(FakePlayer(), Hosting(public=True)).run(request()))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="switched off on this public page"):
        Hosting(public=True).check_own("Uploading")
    Hosting().check_own("Uploading")


def test_a_borrowed_gpu_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle
    import sys

    lent: list[float] = []

    def gpu(duration: Any) -> Any:
        """As ZeroGPU does: arguments and results cross into another process."""

        def lend(function: Any) -> Any:
            def run(argument: Any) -> Any:
                lent.append(duration(argument))
                for event in function(pickle.loads(pickle.dumps(argument))):
                    yield pickle.loads(pickle.dumps(event))

            return run

        return lend

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    asked = request(2, max_new_tokens=40)
    borrowed = list(Hosted(FakePlayer(), Hosting(zero_gpu=True)).run(asked))  # type: ignore[arg-type]
    assert borrowed == list(FakePlayer().run(asked))
    assert lent == [20]


def test_a_borrowed_gpu_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(ModelUnavailable, match="`spaces`"):
        Hosted(FakePlayer(), Hosting(zero_gpu=True))  # type: ignore[arg-type]


# --- what is written down about it ------------------------------------------------------------------------------------


def test_every_setting_is_in_the_documentation_with_its_defaults() -> None:
    rows = re.findall(
        r"^\| `PLAYGROUND_(\w+)` \| (\S+) \| (\S+) \| (.+) \|$", (ROOT / "docs" / "space.md").read_text(), re.MULTILINE
    )
    fields = Hosting.model_fields
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
