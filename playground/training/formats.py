"""The public formats of preference pairs: each becomes a conversation and two replies, or is refused by its name.

Read are a prompt with two texts; TRL's conversational pairs, with the prompt beside the replies or inside them; and the
transcripts of HH-RLHF. Knows parsed JSON, no files.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from playground.errors import InvalidInput
from playground.settings import Message, Row, conversation
from playground.texts import is_blank

Record = Mapping[str, Any]

_REPLIES = ("chosen", "rejected")
_ROLES = ("system", "user", "assistant")
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")

_FOREIGN = {
    "conversations": "it is in ShareGPT's format ('conversations')",
    "preferred_output": "it is in OpenAI's preference format ('preferred_output')",
    "completion": "it is in an unpaired format ('completion')",
    "messages": "it holds one conversation ('messages'), not two replies to one",
}
"""What a key says of a pair that lacks a prompt or a reply."""

_BEYOND = {"tools": "it calls tools ('tools')", "images": "it holds pictures ('images')"}
"""What a pair cannot be learnt without."""


class PairTexts(NamedTuple):
    """A conversation that ends with the user's turn, and the two replies to it; one that was null is empty."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


def read(record: Record) -> PairTexts:
    """A parsed object -> a conversation and two replies. Raises InvalidInput with the reason."""
    for key, what in _BEYOND.items():
        if record.get(key):
            raise InvalidInput(f"{what}, which is not learnt.")
    for key in _REPLIES:
        if key not in record:
            raise _missing(record, key)
    (before, chosen), (before_other, rejected) = (_reply(record, key) for key in _REPLIES)
    if before != before_other:
        raise InvalidInput("chosen and rejected answer different conversations.")
    prompt = _prompt(record, before)
    Row(messages=prompt)  # the same rules as for a request: not empty, ends with the user
    if chosen == rejected:
        raise InvalidInput("chosen and rejected are the same.")
    return PairTexts(prompt, chosen, rejected)


def _reply(record: Record, key: str) -> tuple[tuple[Message, ...], str]:
    """What 'chosen' or 'rejected' holds: the turns before its reply, if they are in it too, and the reply."""
    value = record[key]
    if value is None and "prompt" in record:
        return (), ""  # the model's own, which is written before anything is learnt
    if isinstance(value, str):
        turns = _transcript(value) if "prompt" not in record else None
    elif isinstance(value, list | dict):
        turns = _turns(cast(object, value), key)
        if not turns:
            raise InvalidInput(f"{key!r} is not a text or is empty.")
    else:
        raise InvalidInput(f"{key!r} is not a text or is empty.")
    if turns and turns[-1].role != "assistant":
        raise InvalidInput(f"{key!r} does not end with the assistant's turn.")
    text = turns[-1].content if turns else str(value)
    if is_blank(text):
        raise InvalidInput(f"{key!r} is not a text or is empty.")
    return turns[:-1] if turns else (), text.strip()


def _prompt(record: Record, before: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation of a pair: its 'prompt', or what stands before both replies, which must not contradict it."""
    if "prompt" not in record:
        if not before:
            raise _missing(record, "prompt")
        return before
    value = record["prompt"]
    if isinstance(value, str):
        given = _transcript(value) or conversation(value)
        if given[-1].role == "assistant" and is_blank(given[-1].content):
            given = given[:-1]  # a transcript ends with the name of who is to speak
    elif isinstance(value, list):
        given = _turns(cast(object, value), "prompt")
    else:
        raise InvalidInput("'prompt' is neither a text nor a list of messages.")
    if not before:
        return given
    if given and _said(before)[-len(given) :] == _said(given):
        return before  # which may begin with a system text or earlier turns
    raise InvalidInput("'prompt' and what stands before the replies are different conversations.")


def _said(turns: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(turn.role, turn.content.strip()) for turn in turns]


def _missing(record: Record, key: str) -> InvalidInput:
    foreign = (what for name, what in _FOREIGN.items() if name in record)
    return InvalidInput(f"{next(foreign, f'{key!r} is missing')}.")


def _turns(value: object, key: str) -> tuple[Message, ...]:
    """A list of messages, or a single one."""
    turns = cast(list[object], value) if isinstance(value, list) else [value]
    return tuple(_turn(turn, key) for turn in turns)


def _turn(turn: object, key: str) -> Message:
    if not isinstance(turn, dict):
        raise InvalidInput(f"{key!r} is neither a text nor a list of messages.")
    given = cast(dict[str, Any], turn)
    if "from" in given or "value" in given:
        raise InvalidInput(f"{key!r} is in ShareGPT's format ('from', 'value').")
    if given.get("tool_calls") or given.get("role") in ("tool", "function") or "tool_call_id" in given:
        raise InvalidInput(f"{key!r} calls tools, which is not learnt.")
    if isinstance(given.get("content"), list):
        raise InvalidInput(f"{key!r} has a content in parts (text, pictures), not one text.")
    if given.get("name"):
        raise InvalidInput(f"{key!r} names who speaks (a message's 'name'), which no prompt shows.")
    more = sorted(name for name, what in given.items() if name not in ("role", "content") and what is not None)
    if more:
        raise InvalidInput(f"{key!r} has a message with {more[0][:40]!r}; it has 'role' and 'content' alone.")
    if given.get("role") not in _ROLES or not isinstance(given.get("content"), str):
        raise InvalidInput(f"{key!r} has a message whose role is none of {', '.join(_ROLES)}, or that has no text.")
    return Message(role=given["role"], content=given["content"])


def _transcript(text: str) -> tuple[Message, ...] | None:
    """The turns of a transcript such as "\\n\\nHuman: Hi\\n\\nAssistant: Hello"; None for any other text."""
    if not text.startswith("\n\nHuman:") or "\n\nAssistant:" not in text:
        return None
    speakers = {"Human": "user", "Assistant": "assistant"}
    _, *pieces = _SPEAKER.split(text)
    return tuple(
        Message.model_validate({"role": speakers[who], "content": said.strip()})
        for who, said in zip(pieces[::2], pieces[1::2], strict=True)
    )
