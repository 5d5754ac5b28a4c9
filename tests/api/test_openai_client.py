"""The endpoint as OpenAI's own client meets it: what it is told is what the same request gives in this process."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError, OpenAI, RateLimitError

from playground.events import Finished
from playground.settings import Strength
from tests.api.conftest import LENGTH, MODEL, Served

CHEER = Strength(axis="cheer", alpha=1.5)
STEERED = {"steering": [{"axis": "cheer", "alpha": 1.5}]}


def ask(client: Any, prompt: str = "How was it?", **more: Any) -> Any:
    given = {"model": MODEL, "max_tokens": LENGTH, **more}
    return client.chat.completions.create(messages=[{"role": "user", "content": prompt}], **given)


def near(value: Any) -> Any:
    """A number but for rounding: what the tree remembers was read in another shape."""
    if isinstance(value, list | tuple):
        return [near(one) for one in value]
    return value if value is None else pytest.approx(value, rel=1e-3, abs=1e-4)


def told(end: Finished) -> dict[str, Any]:
    names = ("reward", "kl", "perplexity", "alpha_interval", "seed")
    return {name: near(getattr(end, name)) for name in names}


@pytest.fixture(scope="module")
def client(served: Served) -> OpenAI:
    return served.client()


def test_models_are_the_base_and_each_axis_and_any_steering_can_be_retrieved(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, f"{MODEL}@cheer=1", f"{MODEL}@warm=1"]
    for name in (MODEL, f"{MODEL}@cheer", f"{MODEL}@cheer=-0.25,warm.control=2"):
        assert client.models.retrieve(name).id == name
    for name in ("gpt-4", f"{MODEL}x", "x"):
        with pytest.raises(NotFoundError) as refused:
            client.models.retrieve(name)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(BadRequestError, match="no axis named 'grace'"):
        client.models.retrieve(f"{MODEL}@grace=1")


def test_replies_are_those_of_the_same_request_in_this_process(served: Served, client: OpenAI) -> None:
    reply = ask(client, n=3, seed=5, temperature=0.8, top_p=0.9, extra_body=STEERED)
    expected = served.run("How was it?", CHEER, seeds=(5, 6, 7), temperature=0.8, top_p=0.9)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) == 3
    for choice, end in zip(reply.choices, expected.ends, strict=True):
        assert (choice.message.content, choice.message.role) == (end.text, "assistant")
        assert choice.finish_reason == end.finish_reason
        assert choice.steering == told(end)
    written = sum(len(end.token_ids) for end in expected.ends)
    assert (reply.usage.completion_tokens, reply.usage.total_tokens - reply.usage.prompt_tokens) == (written, written)
    assert reply.usage.prompt_tokens == len(served.player.model.prompt_ids(expected_messages()))
    assert (reply.model, reply.object) == (MODEL, "chat.completion")


def expected_messages() -> Any:
    from playground.settings import conversation

    return conversation("How was it?")


def streamed(chunks: Sequence[Any], n: int) -> list[str]:
    return [
        "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)
        for index in range(n)
    ]


def test_a_stream_is_the_same_token_for_token(served: Served, client: OpenAI) -> None:
    options = {"n": 2, "seed": 3, "logprobs": True, "top_logprobs": 2, "extra_body": STEERED}
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **options))
    whole = ask(client, **options)
    expected = served.run("How was it?", CHEER, seeds=(3, 4), alternatives=2)
    assert streamed(chunks, 2) == [choice.message.content for choice in whole.choices]
    assert streamed(chunks, 2) == [end.text for end in expected.ends]
    for index in range(2):
        own = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert own[0].delta.role == "assistant" and all(choice.delta.role is None for choice in own[1:])
        tokens = [token for choice in own if choice.logprobs for token in choice.logprobs.content]
        assert tokens == whole.choices[index].logprobs.content
        texts = [(served.player.model.text([token.id]), token) for token in expected.tokens if token.row == index]
        for token, (text, ours) in zip(tokens, [pair for pair in texts if pair[0]], strict=True):
            assert (token.token, token.logprob) == (text, pytest.approx(ours.logprob, abs=1e-4))
            assert [(top.token, top.logprob) for top in token.top_logprobs] == [
                (candidate.text, pytest.approx(candidate.logprob, abs=1e-4)) for candidate in ours.likely
            ]
        assert [choice.finish_reason for choice in own if choice.finish_reason] == ["length"]
        assert own[-1].steering == told(expected.ends[index]) == whole.choices[index].steering
        assert not any(getattr(choice, "steering", None) for choice in own[:-1])
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_without_being_asked_a_stream_tells_neither_usage_nor_logprobs(client: OpenAI) -> None:
    chunks = list(ask(client, stream=True, seed=1))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert all(choice.logprobs is None for chunk in chunks for choice in chunk.choices)
    assert ask(client, seed=1).choices[0].logprobs is None


def test_whole_characters_tell_their_bytes(client: OpenAI) -> None:
    content = ask(client, seed=2, logprobs=True).choices[0].logprobs.content
    for token in content:
        assert token.bytes is None if "\ufffd" in token.token else bytes(token.bytes).decode() == token.token
        assert token.top_logprobs == []


def test_the_same_seed_is_the_same_reply_and_no_seed_any(client: OpenAI) -> None:
    def say(**more: Any) -> str:
        return ask(client, **more).choices[0].message.content

    assert say(seed=9) == say(seed=9) != say(seed=10)
    assert say() != say(), "two of two billion seeds"
    assert say(temperature=0) == say(temperature=0, seed=4)
    drawn = ask(client).choices[0]
    assert say(seed=drawn.steering["seed"]) == drawn.message.content, "the seed that was drawn writes it again"


def test_a_reply_ends_before_any_of_the_texts_that_stop_it(client: OpenAI) -> None:
    whole = ask(client, seed=9).choices[0]
    stop = whole.message.content[7:10]
    for given in (stop, [stop, "nowhere to be found"]):
        cut = ask(client, seed=9, stop=given).choices[0]
        assert cut.message.content == whole.message.content[: whole.message.content.index(stop)]
        assert (whole.finish_reason, cut.finish_reason) == ("length", "stop")
        chunks = list(ask(client, seed=9, stop=given, stream=True))
        assert streamed(chunks, 1) == [cut.message.content]


@pytest.mark.parametrize(
    ("model", "strengths"),
    [
        ("", ()),
        ("@cheer", (Strength(axis="cheer", alpha=1),)),
        ("@cheer=1.5", (CHEER,)),
        ("@cheer.control=0.5", (Strength(axis="cheer", control=0.5),)),
        (
            "@cheer=1,warm=-0.5,cheer.control=2",
            (Strength(axis="cheer", alpha=1, control=2), Strength(axis="warm", alpha=-0.5)),
        ),
    ],
)
def test_a_models_id_steers(served: Served, client: OpenAI, model: str, strengths: tuple[Strength, ...]) -> None:
    expected = served.run("How was it?", *strengths, seeds=(1,)).ends[0]
    by_id = ask(client, model=MODEL + model, seed=1)
    assert by_id.model == MODEL + model
    beside = ask(client, seed=1, extra_body={"steering": [strength.model_dump() for strength in strengths]})
    for reply in (by_id, beside):
        assert reply.choices[0].message.content == expected.text
        assert reply.choices[0].steering == told(expected)


def test_a_conversation_reaches_the_model_in_all_its_forms(served: Served, client: OpenAI) -> None:
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi."}, {"type": "text", "text": "You?"}]},
        {"role": "assistant", "content": "Hello.", "refusal": None},
        {"role": "user", "content": "How was it?"},
    ]
    plain = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi.\nYou?"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "How was it?"},
    ]
    say = client.chat.completions.create
    first, second = (say(model=MODEL, messages=given, seed=1, max_tokens=9) for given in (turns, plain))  # type: ignore[arg-type]
    assert first.choices[0].message == second.choices[0].message
    assert first.choices[0].message.content != ask(client, seed=1, max_tokens=9).choices[0].message.content


def test_what_asks_for_nothing_is_taken(client: OpenAI) -> None:
    nothing: dict[str, Any] = {
        "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "tools": [], "user": "me", "store": False,
        "metadata": {"a": "b"}, "response_format": {"type": "text"}, "stop": None, "parallel_tool_calls": True,
    }  # fmt: skip
    assert ask(client, seed=1, **nothing).choices == ask(client, seed=1).choices
    assert ask(client, seed=1, max_tokens=None, max_completion_tokens=LENGTH).choices == ask(client, seed=1).choices


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "n"),
    ({"n": 65}, "n"),
    ({"n": True}, "n"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**63}, "seed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 2049}, "max_tokens"),
    ({"max_completion_tokens": 3}, "max_completion_tokens"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 1e-9}, "temperature"),
    ({"temperature": "warm"}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"stop": [".", "!", "?", ";", ","]}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 3}}, "stream_options"),
    ({"stream": True, "stream_options": 5}, "stream_options"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"extra_body": {"best_of": 3}}, "best_of"),
    ({"extra_body": {"self": 3}}, "self"),
    ({"extra_body": {"steering": [{"axis": "grace", "alpha": 1}]}}, "steering"),
    ({"extra_body": {"steering": [{"axis": "/etc", "alpha": 1}]}}, "steering"),
    ({"extra_body": {"steering": [{"axis": "cheer", "alpha": 1e9}]}}, "steering"),
    ({"extra_body": {"steering": [{"axis": "cheer", "beta": 1}]}}, "steering"),
    ({"extra_body": {"steering": [{"axis": "cheer", "method": "none"}]}}, "steering"),
    ({"extra_body": {"steering": [{"axis": "cheer"}, {"axis": "cheer"}]}}, "steering"),
    ({"extra_body": {"steering": "cheer"}}, "steering"),
    ({"model": f"{MODEL}@cheer=1", "extra_body": STEERED}, "steering"),
    ({"model": f"{MODEL}@cheer=much"}, "steering"),
    ({"model": f"{MODEL}@=1"}, "steering"),
    ({"model": f"{MODEL}@cheer=1,cheer=2"}, "steering"),
]


@pytest.mark.parametrize(("given", "param"), REFUSED, ids=[str(given)[:60] for given, _ in REFUSED])
def test_what_cannot_be_is_refused_and_named(client: OpenAI, given: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        ask(client, **given)
    assert refused.value.param == param
    body = refused.value.body
    assert isinstance(body, dict)
    assert body["type"] == "invalid_request_error"
    assert 10 < len(body["message"]) < 500 and "\n" not in body["message"]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": " "}],
        [{"role": "assistant", "content": "Hello."}],
        [{"role": "tool", "content": "3"}],
        [{"role": "user", "content": "Hi.", "name": "me"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}],
        [{"role": "user", "content": "so long " * 2000}],
        [{"role": "user", "content": "☃" * 600}],
        [{"role": "user", "content": "\ud800"}],
        ["Hi"],
        [None],
        "Hi",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_cannot_be_answered_is_refused(client: OpenAI, messages: Any, stream: bool) -> None:
    import json

    import httpx

    body = json.dumps({"model": MODEL, "messages": messages, "stream": stream})  # the client refuses some itself
    answer = httpx.post(f"{client.base_url}chat/completions", content=body, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages"


def test_eight_clients_at_once_get_each_their_own(served: Served) -> None:
    asked = [
        (f"Tell me of {k}.", {"seed": k, "extra_body": {"steering": [{"axis": "cheer", "alpha": k / 4}]}})
        for k in range(8)
    ]

    async def one(prompt: str, given: dict[str, Any], stream: bool) -> str:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
            if not stream:
                return (await ask(client, prompt, **given)).choices[0].message.content
            chunks = [chunk async for chunk in await ask(client, prompt, stream=True, **given)]
            return streamed(chunks, 1)[0]

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(one(p, given, stream) for p, given in asked for stream in (True, False)))

    found = asyncio.run(all_at_once())
    expected = [
        served.run(prompt, Strength(axis="cheer", alpha=k / 4), seeds=(k,)).ends[0].text
        for k, (prompt, _) in enumerate(asked)
    ]
    assert found == [text for text in expected for _ in range(2)]
    assert len(set(expected)) == 8


def test_of_a_hundred_clients_each_gets_their_own_or_is_told_to_come_back(served: Served) -> None:
    expected = [served.run(f"Tell me of {k}.", CHEER, seeds=(k,)).ends[0].text for k in range(10)]

    async def one(client: AsyncOpenAI, k: int) -> str | None:
        try:
            stream = await ask(client, f"Tell me of {k}.", stream=True, seed=k, extra_body=STEERED)
            return streamed([chunk async for chunk in stream], 1)[0]
        except RateLimitError:
            return None

    async def all_at_once() -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
            return await asyncio.gather(*(one(client, n % 10) for n in range(100)))

    found = asyncio.run(all_at_once())
    assert all(text in (expected[n % 10], None) for n, text in enumerate(found))
    assert sum(text is not None for text in found) >= 8 + 64, "as many as are answered at once, and may wait"
    for thread in threading.enumerate():  # whoever left or ended keeps none
        if thread.name == "request":
            thread.join(60)
            assert not thread.is_alive()


def test_every_error_is_an_error_of_the_clients_own(served: Served) -> None:
    with pytest.raises(NotFoundError) as refused:
        served.client().embeddings.create(model=MODEL, input="x")
    assert isinstance(refused.value, APIStatusError)
    assert refused.value.request_id
