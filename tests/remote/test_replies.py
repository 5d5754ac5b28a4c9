"""Requests that a worker answers get the replies that the player here gives."""

import json
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.events import finished, from_json
from playground.player import Player
from playground.remote import wire
from playground.remote.replies import answered, job_of
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis


def test_a_worker_answers_as_the_player_does(tiny_folder: FolderOf, tmp_path: Path) -> None:
    axis = str(make_tiny_axis(tmp_path / "cheer", tiny_folder("llama"), "cheer", 0))
    how = {"model": str(tiny_folder("llama")), "dtype": "float32", "device": "cpu"}
    player = Player.open(how["model"], how["dtype"], None, how["device"])
    rows = tuple(
        Row(messages=conversation("What is\u2028this?"), strengths=(Strength(axis=axis, alpha=alpha),), seed=3)
        for alpha in (0.0, 1.0, 2.0)
    )
    request = Request(rows=rows, sampling=Sampling(temperature=1.0), max_new_tokens=20)
    told = answered(job_of(player, [axis], how), request.model_dump_json())
    wire.check(told)
    assert [from_json(line) for line in told.split("\n")] == finished(player.run(request))
    other = json.loads(job_of(player, [axis], how)) | {"identity": ""}
    with pytest.raises(InvalidInput, match="another model or axis"):
        wire.check(answered(json.dumps(other), request.model_dump_json()))
    with pytest.raises(InvalidInput):
        wire.check(answered(job_of(player, [axis], how), request.model_copy(update={"rows": ()}).model_dump_json()))
