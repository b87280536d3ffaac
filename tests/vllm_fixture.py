"""A pytest plugin: one real SmolLM2-135M behind one real vLLM server for the whole test session.

Named in `tests/conftest.py` as `pytest_plugins = ["vllm_fixture"]`. Tests that ask for `smollm` carry
`@pytest.mark.vllm`; they are skipped only where vLLM is not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agentrt.serving import ChatVLLM


@pytest.fixture(scope="session")
def smollm_server() -> Iterator[ChatVLLM]:
    """The session's hold on the server, in an event loop of its own that lasts as long."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed; pip install 'agentrt[cpu]' brings it")
    from anyio.from_thread import start_blocking_portal

    from agentrt.serving import open_model

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_model("smollm2-135m")) as model:
        yield model  # pyright: ignore[reportReturnType]


@pytest.fixture
def smollm(smollm_server: ChatVLLM) -> Iterator[ChatVLLM]:
    """A greedy `ChatVLLM` on the session's server, with connections of this test's own event loop."""
    yield smollm_server.model_copy(update={"temperature": 0.0, "max_tokens": 64})
