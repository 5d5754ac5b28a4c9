"""What a client is told: the replies of a request as OpenAI's chat completions, whole or in chunks."""

import secrets
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from playground.api.chat import ChatRequest
from playground.events import Candidate, Event, Finished, Started, Token


def _is_none(value: object) -> bool:
    return value is None


class TopLogprob(BaseModel):
    """A token that could have come, with its log-probability in nats at temperature 1, steered."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    """A token that came; `bytes` is null where it is no whole characters."""

    top_logprobs: list[TopLogprob]


class Logprobs(BaseModel):
    """The tokens of a reply but for the end of the turn; those of a stop string are among them."""

    content: list[TokenLogprob]
    refusal: None = None


class ChoiceSteering(BaseModel):
    """The numbers of a finished reply: see events.Finished. `seed` writes it again."""

    reward: float | None
    kl: float
    perplexity: float
    alpha_interval: tuple[float | None, float | None] | None
    seed: int


class ReplyMessage(BaseModel):
    """A whole reply."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class CompletionChoice(BaseModel):
    """One of the n replies."""

    index: int
    message: ReplyMessage
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"]
    steering: ChoiceSteering


class TokenUsage(BaseModel):
    """Tokens of the prompt, which is read once for all replies, and of the replies."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """What /v1/chat/completions answers."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage


class Delta(BaseModel):
    """What a reply grew by."""

    role: Literal["assistant"] | None = Field(default=None, exclude_if=_is_none)
    content: str | None = Field(default=None, exclude_if=_is_none)


class ChunkChoice(BaseModel):
    """What became of one of the n replies; `steering` comes with the finish reason."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None
    steering: ChoiceSteering | None = Field(default=None, exclude_if=_is_none)


class CompletionChunk(BaseModel):
    """One server-sent event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | None = None


class CompletionBuilder:
    """The events of one request as a client of OpenAI's reads them. `piece` is the text of a token by itself."""

    def __init__(self, asked: ChatRequest, piece: Callable[[int], str]) -> None:
        self.asked, self.piece = asked, piece
        self.id, self.created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        self.prompt_tokens = 0
        self.ends: dict[int, Finished] = {}
        self.logprobs: dict[int, list[TokenLogprob]] = {index: [] for index in range(asked.n)}

    def add(self, event: Event) -> list[CompletionChunk]:
        """Take an event; what a stream tells of it."""
        if isinstance(event, Started):
            self.prompt_tokens = event.prompt_tokens[0]
            return [self._chunk(index, Delta(role="assistant", content="")) for index in range(self.asked.n)]
        if isinstance(event, Token):
            own = self._logprobs(event)
            self.logprobs[event.row] += own.content if own else []
            return [self._chunk(event.row, Delta(content=event.text), logprobs=own)] if event.text or own else []
        if isinstance(event, Finished):
            self.ends[event.row] = event
            steering = _steering(event)
            return [self._chunk(event.row, Delta(), finish_reason=event.finish_reason, steering=steering)]
        return []

    def whole(self) -> ChatCompletion:
        """All replies, once they are finished."""
        choices = [
            CompletionChoice(
                index=index,
                message=ReplyMessage(content=end.text),
                logprobs=Logprobs(content=self.logprobs[index]) if self.asked.logprobs else None,
                finish_reason=end.finish_reason,
                steering=_steering(end),
            )
            for index, end in sorted(self.ends.items())
        ]
        return ChatCompletion(
            id=self.id, created=self.created, model=self.asked.model, choices=choices, usage=self.usage()
        )

    def last(self) -> CompletionChunk:
        """The chunk that tells the usage after a stream."""
        return CompletionChunk(id=self.id, created=self.created, model=self.asked.model, choices=[], usage=self.usage())

    def usage(self) -> TokenUsage:
        """Tokens of the prompt and of the finished replies."""
        written = sum(len(end.token_ids) for end in self.ends.values())
        return TokenUsage(
            prompt_tokens=self.prompt_tokens, completion_tokens=written, total_tokens=self.prompt_tokens + written
        )

    def _chunk(
        self,
        index: int,
        delta: Delta,
        logprobs: Logprobs | None = None,
        finish_reason: Literal["stop", "length"] | None = None,
        steering: ChoiceSteering | None = None,
    ) -> CompletionChunk:
        choice = ChunkChoice(
            index=index, delta=delta, logprobs=logprobs, finish_reason=finish_reason, steering=steering
        )
        return CompletionChunk(id=self.id, created=self.created, model=self.asked.model, choices=[choice])

    def _logprobs(self, event: Token) -> Logprobs | None:
        """A token's log-probability where it is asked for; the end of a turn has no text and is not told."""
        if not self.asked.logprobs or not (text := self.piece(event.id)):
            return None
        top = [_top(candidate) for candidate in event.likely]
        told = TokenLogprob(token=text, logprob=event.logprob, bytes=_bytes(text), top_logprobs=top)
        return Logprobs(content=[told])


def _top(candidate: Candidate) -> TopLogprob:
    return TopLogprob(token=candidate.text, logprob=candidate.logprob, bytes=_bytes(candidate.text))


def _bytes(text: str) -> list[int] | None:
    return None if "\ufffd" in text else list(text.encode())


def _steering(end: Finished) -> ChoiceSteering:
    return ChoiceSteering(
        reward=end.reward, kl=end.kl, perplexity=end.perplexity, alpha_interval=end.alpha_interval, seed=end.seed
    )
