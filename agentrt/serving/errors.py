"""Everything that can go wrong between a model's name and its answer.

    ServingError
    ├── UnknownModel             the name is not in the catalogue
    ├── MissingPackage           an optional package is not installed
    ├── SettingsRefused          a setting means nothing, or not here
    │   └── SpeculationRefused   a way to draft tokens that cannot work with this model or engine
    ├── ModelFilesError          model files could not be had or used
    │   ├── PullFailed           no source delivered the file
    │   ├── HashMismatch         the file is not the one the catalogue pins
    │   ├── DiskFull             there is no room for it
    │   └── ConversionFailed     the checkpoint could not be written
    ├── ServerError              the model server on this machine
    │   ├── ServerStartFailed    it ended before it was ready
    │   ├── ServerStartTimeout   it was not ready in time
    │   └── ServerDied           it ended later, in the middle of work
    └── RequestError             a request to an OpenAI-compatible endpoint
        ├── EndpointUnreachable  nobody listens there
        ├── AuthenticationFailed the key was refused
        ├── ModelNotServed       the endpoint does not serve that model
        ├── ContextTooLong       prompt and answer exceed the context
        ├── RequestTimeout       no answer in time
        └── RequestRefused       any other refusal, with the endpoint's own words

Every message says what happened, where, and what to do next.
"""

from __future__ import annotations


class ServingError(Exception):
    """Root of the tree; catch this to catch everything `agentrt.serving` raises on purpose."""


class UnknownModel(ServingError):
    """The name is neither in the catalogue, nor a model folder, nor a URL."""


class MissingPackage(ServingError):
    """An optional package is needed here and not installed."""


class SettingsRefused(ServingError):
    """A setting of a server or a model that means nothing, or cannot hold on this machine."""


class SpeculationRefused(SettingsRefused):
    """Speculative decoding that cannot work with this model, engine or machine; nothing was started."""


class ModelFilesError(ServingError):
    """Model files could not be fetched, checked, written or read."""


class PullFailed(ModelFilesError):
    """Neither the hub nor the offline source delivered the file."""


class HashMismatch(ModelFilesError):
    """The assembled file differs from the pinned one; it has been removed."""


class DiskFull(ModelFilesError):
    """The disk has no room for the file."""


class ConversionFailed(ModelFilesError):
    """The GGUF file could not be turned into a checkpoint folder."""


class ServerError(ServingError):
    """The model server that runs on this machine."""


class ServerStartFailed(ServerError):
    """The server process ended before it answered its first health check."""


class ServerStartTimeout(ServerError):
    """The server process is alive but was not ready within the time limit."""


class ServerDied(ServerError):
    """The server process ended after it had been ready."""


class RequestError(ServingError):
    """A request to an OpenAI-compatible endpoint failed."""


class EndpointUnreachable(RequestError):
    """No connection, or the connection broke before the answer was complete."""


class AuthenticationFailed(RequestError):
    """The endpoint refused the API key (401 or 403)."""


class ModelNotServed(RequestError):
    """The endpoint does not know the model's name."""


class ContextTooLong(RequestError):
    """Prompt plus requested output exceed the model's context."""


class RequestTimeout(RequestError):
    """The endpoint did not answer within the time limit."""


class RequestRefused(RequestError):
    """The endpoint refused the request for a reason of its own.

    Attributes:
        status: HTTP status code.
        retry_after: Seconds after which the endpoint wants to be asked again; None when it did not say.
    """

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
