"""What a failed request means: from the client library's exceptions to our error tree."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agentrt.serving.errors import (
    AuthenticationFailed,
    ContextTooLong,
    EndpointUnreachable,
    ModelNotServed,
    RequestRefused,
    RequestTimeout,
    ServerDied,
    ServingError,
)

_TRANSPORTS = {"httpx", "httpx2", "httpcore", "httpcore2", "h11"}
_LONGEST_QUOTE = 400


class ConnectionLost(Exception):
    """A stream ended without saying that it is complete; always translated before anybody sees it."""

    def __init__(self) -> None:
        super().__init__("the stream broke off in the middle of the answer")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whom a request went to.

    Attributes:
        base_url: Its root.
        model: The model that was asked for.
        timeout: Seconds a request may wait.
        obituary: Why the server behind it is dead, if it is one of ours and is.
    """

    base_url: str
    model: str
    timeout: float
    obituary: str | None = None


def translate(error: Exception, endpoint: Endpoint) -> ServingError | None:
    """Our error for one that the client library raised; None when it is not about the request."""
    import openai

    if isinstance(error, json.JSONDecodeError):
        # Half an event: the connection ended inside it, or something between us and the server cut it.
        error = ConnectionLost()
    if not isinstance(error, (openai.OpenAIError, ConnectionLost)) and not _of_transport(error):
        return None
    if endpoint.obituary is not None:
        return ServerDied(f"The model server for {endpoint.model} died: {endpoint.obituary}")
    if isinstance(error, openai.APIStatusError):
        return _refusal(error.status_code, _quote(error), endpoint, _seconds(error.response.headers.get("retry-after")))
    if isinstance(error, openai.APITimeoutError) or "Timeout" in type(error).__name__:
        return RequestTimeout(
            f"{endpoint.base_url} did not answer within {endpoint.timeout:.0f} s (model {endpoint.model}). "
            "Ask for fewer tokens, or allow more time (timeout=)."
        )
    if isinstance(error, (openai.APIConnectionError, ConnectionLost)) or _of_transport(error):
        reason = error.__cause__ or error
        return EndpointUnreachable(
            f"No answer from {endpoint.base_url}: {type(reason).__name__}: {str(reason) or 'connection lost'}. "
            "Check that a server runs there and that the URL is its API root (it usually ends in /v1)."
        )
    return RequestRefused(
        f"{endpoint.base_url} failed in the middle of the answer of {endpoint.model}: {_quote(error)}. "
        "Try again; if it stays so, its log knows more.",
        status=500,
    )


def connection_lost(error: Exception) -> bool:
    """Whether an error may mean that the server behind the endpoint is gone."""
    import openai

    if isinstance(error, openai.APIStatusError):
        # vLLM's front end still answers for a while when its engine has died.
        return error.status_code >= 500 and "engine" in str(error).lower()
    return isinstance(error, (ConnectionLost, json.JSONDecodeError, openai.APIError)) or _of_transport(error)


def _refusal(status: int, words: str, endpoint: Endpoint, retry_after: float | None) -> ServingError:
    where = f"{endpoint.base_url} (model {endpoint.model})"
    lower = words.lower()
    if status in (401, 403):
        return AuthenticationFailed(
            f"{where} refused the API key ({status}): {words}. Give the right one as api_key= or in OPENAI_API_KEY."
        )
    if status == 404 and "model" in lower:
        return ModelNotServed(
            f"{where} does not serve that model: {words}. Leave the model's name out to take the one it serves."
        )
    if status == 400 and ("context length" in lower or "context_length" in lower or "max_model_len" in lower):
        return ContextTooLong(
            f"The prompt and the answer do not fit the context at {where}: {words}. Shorten the prompt, "
            "lower max_tokens, or serve the model with a longer context."
        )
    wait = "wait" if retry_after is None else f"wait {retry_after:g} s"
    hint = {
        404: "Check that the URL is the API root (it usually ends in /v1).",
        429: f"It is busy or a quota is used up: {wait}, then try again.",
        503: f"It is overloaded or still starting: {wait}, then try again.",
    }.get(status, "Look at its log." if status >= 500 else "Change the request accordingly.")
    return RequestRefused(
        f"{where} refused the request ({status}): {words}. {hint}", status=status, retry_after=retry_after
    )


def _seconds(header: str | None) -> float | None:
    """Seconds of a `Retry-After`; None for the form with a date, which nobody's model server sends."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None


def _quote(error: Exception) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    text = said if isinstance(said, str) and said else str(error)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _of_transport(error: Exception) -> bool:
    return type(error).__module__.split(".", 1)[0] in _TRANSPORTS
