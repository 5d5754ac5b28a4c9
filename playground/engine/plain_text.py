"""People's texts to token ids: whatever a text spells stays text; only the chat template writes control tokens.

Ordinary texts go the tokenizer's usual way. One that spells a control token goes through a twin of the tokenizer, in
which those tokens bear names that nobody can type: the template's own are renamed, what a person spelled is not.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from playground.errors import InvalidInput, ModelUnavailable
from playground.settings import Message


class PlainText:
    """Conversations and replies -> token ids, for one model's tokenizer. Raises ModelUnavailable for a slow one."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        if not tokenizer.is_fast:
            raise ModelUnavailable(
                f"{name} has no fast tokenizer, so what people type cannot be kept from its control tokens.",
                "Save the model with a tokenizer.json.",
            )
        self._tokenizer: Any = tokenizer
        self._name = name
        self._has_template = tokenizer.chat_template is not None
        template = _template(tokenizer, name) if self._has_template else ""
        added = sorted(tokenizer.added_tokens_decoder.items())
        special = {token.content: number for number, token in added if token.special}
        # What else the template writes, <think> for one, controls as well; line ends, which some vocabularies list too,
        # do not.
        others = {token.content: number for number, token in added if not token.special and token.content.strip()}
        others = {spelling: number for spelling, number in others.items() if spelling in template}
        self._special, self._others, self._control = map(_Spellings, (special, others, special | others))
        self._special_ids, self._control_ids = map(frozenset, (special.values(), (special | others).values()))
        self._names = _Names([*special, *others])
        self._stand_ins = _Names(["", *special, *others])
        self._marks = _Names(others)

    def prompt_ids(self, messages: Sequence[Message], reply_follows: bool = True) -> list[int]:
        """A conversation -> token ids by the chat template, up to where a reply begins if one follows.

        Without a template the messages are joined by empty lines. Raises InvalidInput where the template refuses.
        """
        if not self._has_template:
            return self._encode("\n\n".join(message.content for message in messages), opening=True)
        text = self._hide_marked(self._render([self._hide(message) for message in messages], reply_follows))
        if not self._stand_ins.are_in(text):
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
            # Where a text becomes a control token only by being normalised, there is one too many.
            if _count(ids, self._control_ids) == len(self._control.pattern.findall(text)):
                return ids
        renamed = self._control.replace(text, self._names)
        return self._twin.encode(self._stand_ins.restore(renamed), add_special_tokens=False).ids

    @cached_property
    def reads_system(self) -> bool:
        """Whether a system message reaches the model: some templates refuse one, and some leave it out."""
        if not self._has_template:
            return True
        turns = [{"role": role, "content": content} for role, content in (("system", "mulberry"), ("user", "x"))]
        try:
            return "mulberry" in self._render(turns, reply_follows=True)
        except InvalidInput:
            return False

    def reply_ids(self, text: str) -> list[int]:
        """A reply's text -> token ids. A marker that is not special, <think> for one, is what a model writes."""
        return self._encode(text, opening=False)

    def _encode(self, text: str, opening: bool) -> list[int]:
        """Text on its own -> token ids, after the token that opens a text if asked for."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=opening)
        if _count(ids, self._special_ids) == (self._tokenizer.num_special_tokens_to_add() if opening else 0):
            return ids
        return self._twin.encode(self._others.replace(text, self._names), add_special_tokens=opening).ids

    def _render(self, turns: list[dict[str, str]], reply_follows: bool) -> str:
        try:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=reply_follows))
        except Exception as error:  # templates raise errors of their own kind
            raise InvalidInput(
                f"{self._name}'s chat template refuses this conversation: {error}.",
                "Let user and assistant take turns, with at most one system message at the start.",
            ) from error

    def _hide(self, message: Message) -> dict[str, str]:
        """The message with a stand-in for each control token that it spells, so that all others are the template's.

        In a reply those that are not special are marked only: templates look for them, to leave out what was thought.
        """
        if message.role == "assistant":
            content = self._special.replace(message.content, self._stand_ins)
            content = self._others.pattern.sub(lambda found: self._marks[found[0]] + found[0], content)
        else:
            content = self._control.replace(message.content, self._stand_ins)
        core = content.strip()
        start = content.index(core)
        # A text and what the template puts beside it, or two texts, must not spell one together. Templates may strip.
        before, after = (self._stand_ins[""] if joins else "" for joins in self._control.could_join(core))
        return {"role": message.role, "content": content[:start] + before + core + after + content[start + len(core) :]}

    def _hide_marked(self, text: str) -> str:
        """A rendered text with stand-ins for the marked tokens that the template left in."""
        for spelling, mark in self._marks.items():
            text = text.replace(mark + spelling, self._stand_ins[spelling]).replace(mark, "")
        return text

    @cached_property
    def _twin(self) -> Tokenizer:
        """The tokenizer with other names for its control tokens; all ids are the same."""
        told = json.loads(self._tokenizer.backend_tokenizer.to_str())
        told["truncation"] = told["padding"] = None
        for token in told["added_tokens"]:
            token["content"] = self._names.get(token["content"], token["content"])
        model = told["model"]
        if isinstance(model.get("unk_token"), str):
            model["unk_token"] = self._names.get(model["unk_token"], model["unk_token"])
        if isinstance(model["vocab"], dict):
            model["vocab"] = {self._names.get(piece, piece): token for piece, token in model["vocab"].items()}
        else:
            model["vocab"] = [[self._names.get(piece, piece), score] for piece, score in model["vocab"]]
        if "merges" in model:  # some vocabularies could spell a control token by merging its pieces
            model["merges"] = [pair for pair in model["merges"] if _merged(pair) not in self._names]
        return Tokenizer.from_str(json.dumps(told))


class _Names(dict[str, str]):
    """A name for each spelling, random, so that no text can hold it."""

    def __init__(self, spellings: Iterable[str]) -> None:
        self._prefix = secrets.token_hex(8)
        super().__init__((spelling, f"{self._prefix}{number:06}") for number, spelling in enumerate(spellings))
        self._spellings = {name: spelling for spelling, name in self.items()}

    def are_in(self, text: str) -> bool:
        """Whether the text holds any of the names."""
        return self._prefix in text

    def restore(self, text: str) -> str:
        """The text with each name replaced by what it is the name of."""
        return re.sub(f"{self._prefix}[0-9]{{6}}", lambda found: self._spellings[found[0]], text)


class _Spellings:
    """Some tokens as they are spelled."""

    def __init__(self, spellings: Iterable[str]) -> None:
        self._all = sorted(spellings, key=len, reverse=True)  # the longest that fits is the one meant
        self.pattern = re.compile("|".join(map(re.escape, self._all)) or "(?!)")
        self._longest = max(map(len, self._all), default=0)
        self._firsts = {spelling[0] for spelling in self._all}
        self._lasts = {spelling[-1] for spelling in self._all}

    def replace(self, text: str, by: dict[str, str]) -> str:
        """`text` with every spelling replaced."""
        return self.pattern.sub(lambda found: by[found[0]], text)

    def could_join(self, text: str) -> tuple[bool, bool]:
        """Whether `text` begins with the end of a spelling, and whether it ends with the beginning of one."""
        head, tail = text[: self._longest - 1], text[1 - self._longest :]
        ends = [head[: at + 1] for at, letter in enumerate(head) if letter in self._lasts]
        starts = [tail[at:] for at, letter in enumerate(tail) if letter in self._firsts]
        return (
            any(spelling.endswith(end) and spelling != end for end in ends for spelling in self._all),
            any(spelling.startswith(start) and spelling != start for start in starts for spelling in self._all),
        )


def _template(tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:  # several by name, none of them the usual one
        raise ModelUnavailable(
            f"{name} has several chat templates and none for ordinary talk.",
            "Save its tokenizer with one chat_template.",
        ) from error


def _count(ids: Iterable[int], among: frozenset[int]) -> int:
    return sum(token in among for token in ids)


def _merged(pair: str | Sequence[str]) -> str:
    """What a merge makes; tokenizer files write it as a list or, the older ones, as one string."""
    return pair.replace(" ", "", 1) if isinstance(pair, str) else "".join(pair)
