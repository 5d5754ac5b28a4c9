"""Errors in OpenAI's shape: a sentence, a type, the parameter that is wrong, and a code."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel
from starlette.responses import JSONResponse

from playground.errors import AxisMismatch, Busy, InvalidInput, PlaygroundError

_PARAMETERS = {"max_new_tokens": "max_tokens", "alternatives": "top_logprobs", "rows": "n", "strengths": "steering"}
"""What the settings of a request are called by a client, where that is another name."""


class Failure(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: Failure


class ErrorAnswer(NamedTuple):
    """A failure with the HTTP status it goes by."""

    status: int
    failure: Failure

    def body(self) -> ErrorBody:
        """What tells it."""
        return ErrorBody(error=self.failure)

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The answer that tells it."""
        return JSONResponse(self.body().model_dump(), self.status, headers)


class NoSuchModel(PlaygroundError):
    """A model's id that this server does not have."""


class NoKey(PlaygroundError):
    """A request without an API key, or with a wrong one."""


def told(error: PlaygroundError) -> ErrorAnswer:
    """How an error is told."""
    if isinstance(error, Busy):  # also where memory is short
        return ErrorAnswer(429, Failure(message=str(error), type="rate_limit_error", code="rate_limit_exceeded"))
    if isinstance(error, NoKey):
        return ErrorAnswer(401, Failure(message=str(error), type="invalid_request_error", code="invalid_api_key"))
    if isinstance(error, NoSuchModel):
        failure = Failure(message=str(error), type="invalid_request_error", param="model", code="model_not_found")
        return ErrorAnswer(404, failure)
    if not isinstance(error, InvalidInput | AxisMismatch):
        return ErrorAnswer(503, Failure(message=str(error), type="server_error"))
    usual = "steering" if isinstance(error, AxisMismatch) else "messages"
    param = _PARAMETERS.get(error.field, error.field) or usual
    return ErrorAnswer(
        400, Failure(message=str(error), type="invalid_request_error", param=param, code="invalid_value")
    )


def refused(status: int, reason: str) -> ErrorAnswer:
    """How a path or a method that there is not is told."""
    return ErrorAnswer(status, Failure(message=reason, type="invalid_request_error"))


def broken() -> ErrorAnswer:
    """How a fault of the server's own is told, of which no more is said."""
    return ErrorAnswer(500, Failure(message="The server failed at this request.", type="server_error"))
