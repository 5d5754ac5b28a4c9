"""The API as programs meet it: over HTTP, through gradio_client, on pages with and without limits."""

from collections.abc import Iterator

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.browser.conftest import serve


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a page of the tiny model with one axis."""
    for url in serve(tmp_path_factory.mktemp("server") / "log", "0"):
        yield Client(url, verbose=False)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of the same page made public, with small limits."""
    limits = {"PLAYGROUND_PUBLIC": "1", "PLAYGROUND_MAX_NEW_TOKENS": "12", "PLAYGROUND_MAX_REPLIES": "8"}
    for url in serve(tmp_path_factory.mktemp("public") / "log", "0", **limits):
        yield Client(url, verbose=False)


def test_three_endpoints_have_names_and_nothing_else_is_offered(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert isinstance(offered, dict)
    assert set(offered["named_endpoints"]) == {"/axes", "/say", "/sweep"}
    assert offered["unnamed_endpoints"] == {}
    described = [box for end in offered["named_endpoints"].values() for box in end["parameters"]]
    assert described and all(box["python_type"]["type"] != "Any" for box in described)


def test_axes_are_cards(client: Client) -> None:
    cards = client.predict(api_name="/axes")
    assert [card["name"] for card in cards] == ["cheer"]
    assert cards[0]["safe_range"] == {"alpha": [-1.0, 1.5], "control": [0.0, 1.0]}


def test_say_answers_every_pair_of_strengths_and_grows_meanwhile(client: Client) -> None:
    job = client.submit(
        "Hello.", axis="cheer", alphas=[-1, 0, 1], controls=[0, 1], max_new_tokens=24, api_name="/say"
    )  # fmt: skip
    told = list(job)
    assert len(told) > 1
    begun, ended = told[0], told[-1]
    asked = [(alpha, control) for alpha in (-1, 0, 1) for control in (0, 1)]
    assert [(reply["alpha"], reply["control"]) for reply in ended] == asked
    assert all(reply["finish_reason"] and reply["reward"] is not None and reply["token_ids"] for reply in ended)
    assert all(end["text"].startswith(start["text"].rstrip("�")) for start, end in zip(begun, ended, strict=True))
    assert client.predict("Hello.", axis="cheer", alphas=[0, 1], max_new_tokens=24, api_name="/say") == [
        {**reply, "row": row} for row, reply in enumerate(ended[2::2])
    ]


def test_without_an_axis_the_base_answers_once(client: Client) -> None:
    replies = client.predict("Hello.", alphas=[0, 1], max_new_tokens=4, api_name="/say")
    assert [(reply["alpha"], reply["control"], reply["reward"]) for reply in replies] == [(0.0, 0.0, None)]


def test_sweep_measures_and_tells_how_far_it_is(client: Client) -> None:
    job = client.submit(
        "cheer", ["Hello.", "Who are you?"], alphas="0:1:0.5", max_new_tokens=6, api_name="/sweep"
    )  # fmt: skip
    told = list(job)
    assert (told[-1]["done"], told[-1]["total"]) == (6, 6)
    assert [point["alpha"] for point in told[-1]["points"]] == [0.0, 0.5, 1.0]
    assert {"reward", "kl", "perplexity"} <= set(told[-1]["points"][0]["metrics"])
    assert {"mean", "low", "high"} <= set(told[-1]["points"][0]["metrics"]["reward"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "Hello.", "axis": "grace"}, "no axis named 'grace'"),
        ({"prompt": "Hello.", "axis": "cheer", "alphas": [1e9]}, "alpha"),
        ({"prompt": "Hello.", "max_new_tokens": 0}, "max_new_tokens"),
        ({"prompt": "Hello.", "temperature": -1}, "temperature"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(client: Client, arguments: dict, complaint: str) -> None:
    with pytest.raises(AppError, match=complaint):
        client.predict(**arguments, api_name="/say")


def test_a_public_page_keeps_its_limits(stranger: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert stranger.predict("Hello.", axis="cheer", max_new_tokens=12, api_name="/say")[0]["token_ids"]
    for arguments, complaint in (
        ({"prompt": "Hello.", "max_new_tokens": 13}, "at most 12 tokens"),
        ({"prompt": "Hello.", "axis": "cheer", "alphas": [0.1 * n for n in range(17)], "max_new_tokens": 4}, "at once"),
        ({"prompt": "Hello.", "axis": str(tmp_path_factory.getbasetemp()), "max_new_tokens": 4}, "no axis named"),
    ):
        with pytest.raises(AppError, match=complaint):
            stranger.predict(**arguments, api_name="/say")
    with pytest.raises(AppError, match="more than the 8"):
        stranger.predict("cheer", ["Hello.", "You?"], alphas="0:4:1", max_new_tokens=4, api_name="/sweep")
    with pytest.raises(AppError, match="no axis named"):
        stranger.predict(
            str(tmp_path_factory.getbasetemp()), ["Hello."], alphas="0,1", max_new_tokens=4, api_name="/sweep"
        )
