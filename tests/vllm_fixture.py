"""A pytest plugin: real models behind real vLLM servers, one each for the whole test session.

Named in `tests/conftest.py` as `pytest_plugins = ["vllm_fixture"]`. Tests that ask for `smollm` carry
`@pytest.mark.vllm`; they are skipped only where vLLM is not installed. Slow ones may ask for `qwen_server`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agentrt.serving import ChatVLLM


def _served(name: str) -> Iterator[ChatVLLM]:
    """A hold on the server, in an event loop of its own that lasts as long."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed; pip install 'agentrt[cpu]' brings it")
    from anyio.from_thread import start_blocking_portal

    from agentrt.serving import open_model

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_model(name)) as model:
        yield model  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def smollm_server() -> Iterator[ChatVLLM]:
    """SmolLM2-135M."""
    yield from _served("smollm2-135m")


@pytest.fixture(scope="session")
def qwen_server() -> Iterator[ChatVLLM]:
    """Qwen2.5-Coder-0.5B, whose chat template knows tools."""
    yield from _served("qwen2.5-coder-0.5b")


@pytest.fixture
def smollm(smollm_server: ChatVLLM) -> Iterator[ChatVLLM]:
    """A greedy `ChatVLLM` on the session's server, with connections of this test's own event loop."""
    yield smollm_server.model_copy(update={"temperature": 0.0, "max_tokens": 64})
