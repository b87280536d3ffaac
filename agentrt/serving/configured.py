"""Settings that people write down: `agentrt.toml` in the working folder, and variables that begin with `AGENTRT_`.

    [serving]
    speculation = "auto"          # AGENTRT_SERVING_SPECULATION
    max_model_len = 4096          # AGENTRT_SERVING_MAX_MODEL_LEN
    extra = ["--seed", "1"]

A variable wins over the file, and what is given in code or on the command line over both.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agentrt.serving.errors import SettingsRefused
from agentrt.serving.settings import ServerSettings
from agentrt.serving.speculation import SPECULATION, Speculation, wished

FILE = "agentrt.toml"


class ServingConfig(BaseSettings):
    """What was written down about serving models; everything else is chosen for the machine.

    Attributes:
        speculation: As people write it (`auto`, `ngram:4`, …), or a table with `kind`.
        dtype, max_model_len, enforce_eager, kv_cache_gib, gpu_memory_utilization, tensor_parallel,
        max_num_seqs, tool_parser, extra: See `ServerSettings`.
    """

    model_config = SettingsConfigDict(env_prefix="AGENTRT_SERVING_", extra="forbid")

    speculation: str | dict[str, Any] | None = None
    dtype: str | None = None
    max_model_len: PositiveInt | None = None
    enforce_eager: bool | None = None
    kv_cache_gib: PositiveInt | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    tensor_parallel: PositiveInt | None = None
    max_num_seqs: PositiveInt | None = None
    tool_parser: str | None = None
    extra: tuple[str, ...] | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of the sources: code, environment, file."""
        return init_settings, env_settings, _Table(settings_cls, Path(FILE))

    def method(self) -> Speculation | Literal["auto"] | None:
        """The way to draft that was written down.

        Raises:
            SpeculationRefused: It is none.
        """
        match self.speculation:
            case None:
                return None
            case str() as text:
                return wished(text)
            case dict() as described:
                return SPECULATION.validate_python(described)

    def over(self, settings: ServerSettings) -> ServerSettings:
        """Settings with what was written down in place of what was chosen."""
        names = self.model_fields_set - {"speculation"}
        changed: dict[str, Any] = {name: getattr(self, name) for name in names}
        method = self.method()
        return replace(settings, **changed, **({} if method is None else {"speculation": method}))


class _Table(TomlConfigSettingsSource):
    """The table `[serving]` of the file; other tables are other people's."""

    def _read_files(self, files: Any, deep_merge: bool = False) -> dict[str, Any]:
        return super()._read_files(files, deep_merge).get("serving", {})


def read_config(**given: Any) -> ServingConfig:
    """What is written down, with `given` over it.

    Raises:
        SettingsRefused: Something there means nothing; the message names it.
    """
    try:
        return ServingConfig(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsRefused(
            f"The setting {where} ({FILE}, table [serving], or AGENTRT_SERVING_{where.upper()}) means nothing: "
            f"{first['msg']}."
        ) from None
    except ValueError as error:
        raise SettingsRefused(f"{FILE} cannot be read: {error}") from None
