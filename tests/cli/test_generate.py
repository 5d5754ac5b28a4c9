"""What `playground generate` makes of its options: rows of strengths, and a talk from a file."""

import json
from pathlib import Path

import pytest

from playground.cli.generate import _talk, strengths
from playground.errors import InvalidInput
from playground.settings import Message, Strength, conversation


def at(axis: str = "calm", **amounts: object) -> Strength:
    return Strength(axis=axis, **amounts)


@pytest.mark.parametrize(
    ("axes", "given", "rows"),
    [
        ([], {}, [()]),
        ([], {"alpha": ["0", "0"]}, [(), ()]),
        (["calm"], {}, [(at(alpha=1),)]),
        (["calm"], {"control": ["0.5"]}, [(at(control=0.5),)]),
        (
            ["calm"],
            {"alpha": ["0", "1"], "control": ["2", "3"], "updates": ["7"]},
            [(at(alpha=a, control=c, updates=7),) for a in (0, 1) for c in (2, 3)],
        ),
        (["calm=0.5"], {}, [(at(alpha=0.5),)]),
        (["calm=0.5"], {"control": ["-1"]}, [(at(alpha=0.5, control=-1),)]),
        (["calm=0.5", "warm=-1"], {"updates": ["3"]}, [(at(alpha=0.5, updates=3), at("warm", alpha=-1, updates=3))]),
        (["calm", "warm"], {}, [(at(alpha=1), at("warm", alpha=1))]),
        (["calm", "warm"], {"alpha": ["calm=2"], "control": ["warm=1"]}, [(at(alpha=2), at("warm", control=1))]),
        (["calm=1", "warm"], {"alpha": ["0", "2"]}, [(at(alpha=1), at("warm", alpha=a)) for a in (0, 2)]),
        (["a=b=2"], {"control": ["a=b=1"]}, [(at("a=b", alpha=2, control=1),)]),
        (["./axes/x=y"], {}, [(at("./axes/x=y", alpha=1),)]),
        (["calm"], {"method": ["steering_vector"]}, [(at(alpha=1, method="steering_vector"),)]),
    ],
)
def test_options_become_rows(axes: list[str], given: dict[str, list[str]], rows: list[tuple[Strength, ...]]) -> None:
    assert strengths(axes, given) == rows


@pytest.mark.parametrize(
    ("axes", "given", "told"),
    [
        ([], {"alpha": ["1"]}, "needs an axis"),
        ([], {"updates": ["1"]}, "--updates belongs to an axis"),
        (["calm", "calm=1"], {}, "named twice"),
        (["calm=1", "warm=1"], {"alpha": ["2"]}, "--alpha does not say of which axis"),
        (["calm"], {"alpha": ["much"]}, "--alpha: "),
        (["calm"], {"alpha": ["cold=1"]}, "--alpha: "),
        (["calm"], {"merge": ["nowhere"]}, "--merge: .*embeddings"),
        (["calm"], {"step_size": ["-1"]}, "--step-size: "),
    ],
)
def test_what_does_not_say_what_is_meant_is_refused(axes: list[str], given: dict[str, list[str]], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        strengths(axes, given)


def test_a_talk_comes_from_a_file_and_the_prompt_last(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    talk = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    file.write_text(json.dumps(talk), encoding="utf-8")
    history = (Message(role="user", content="Hi."), Message(role="assistant", content="Hello."))
    assert _talk("And now?", "Be brief.", file) == conversation("And now?", "Be brief.", history)
    assert _talk(None, None, file) == history
    for wrong in ('{"role": "user"}', "[1]", '[{"role": "nobody", "content": ""}]', "not JSON"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(InvalidInput):
            _talk("Hi.", None, file)
    with pytest.raises(InvalidInput, match="no prompt"):
        _talk(None, None, None)
