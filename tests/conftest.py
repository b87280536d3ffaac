"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Shared machines stall for longer than hypothesis allows an example: a deadline would test the machine.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

pytest_plugins = ["vllm_fixture"]
