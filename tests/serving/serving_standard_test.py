"""langchain's own standard suites for chat models: every feature `ChatVLLM` claims, against a real server.

What is left out, and why, stands beside each deviation; docs/serving.md lists them for users.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

pytest.importorskip("langchain_tests", reason="pip install 'agentrt[dev]' brings langchain-tests")

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from agentrt.serving import ChatVLLM

# Their coroutines carry no mark, and tests may not be overridden: it is put on where they are.
for _name, _test in vars(ChatModelIntegrationTests).items():
    if _name.startswith("test_") and inspect.iscoroutinefunction(_test):
        pytest.mark.asyncio(_test)

# The suites call the model from both worlds; connections are pooled per loop and closed by us.
_OPTIONS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 96}
_TOO_SMALL = "a model of 135M parameters whose chat template knows no tools: "


class TestTheUnitSuite(ChatModelUnitTests):
    """No server: construction, binding, parameters for tracing."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": "http://127.0.0.1:1/v1", "model": "m"}

    @property
    def supports_json_mode(self) -> bool:
        return True


# A minute of a processor: what the fast tests need is in serving_vllm_test.py.
@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(600)
class TestTheIntegrationSuite(ChatModelIntegrationTests):
    """SmolLM2-135M behind vLLM."""

    served: ChatVLLM

    @pytest.fixture(autouse=True)
    def _serve(self, smollm_server: ChatVLLM) -> Iterator[None]:
        type(self).served = smollm_server
        yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        key = self.served.api_key
        secret = SecretStr(key.get_secret_value()) if key else None
        return {"base_url": self.served.base_url, "api_key": secret, "model": self.served.model, **_OPTIONS}

    @pytest.fixture
    def model(self, request: Any) -> Iterator[BaseChatModel]:  # pyright: ignore[reportIncompatibleMethodOverride]
        params = {**self.standard_chat_model_params, **self.chat_model_params, **getattr(request, "param", {})}
        made = ChatVLLM(**params)
        yield made
        made.close()

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[Any]]:
        return {"invoke": [], "stream": []}

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str | None:
        return self.served.model

    @pytest.mark.xfail(reason=_TOO_SMALL + "it writes white space between the braces until it is cut off")
    def test_tool_calling_with_no_arguments(self, model: BaseChatModel) -> None:
        super().test_tool_calling_with_no_arguments(model)

    @pytest.mark.xfail(reason=_TOO_SMALL + "asked for JSON without a schema it nests braces until it is cut off")
    def test_json_mode(self, model: BaseChatModel) -> None:
        super().test_json_mode(model)

    @pytest.mark.xfail(reason=_TOO_SMALL + "left to decide for itself it calls none")
    @pytest.mark.parametrize("model", [{}, {"output_version": "v1"}], indirect=True)
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)
