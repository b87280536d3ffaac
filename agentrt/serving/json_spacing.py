"""Answers held to a JSON schema have one space behind each comma and colon, and no white space beyond that.

vLLM lets a model write any white space between the parts, and small ones write it until their tokens are used up. Its
`disable_any_whitespace` forbids all of it, which models have seldom read. So both engines for grammars are told to
space as Python's `json.dumps` does. Imported in the server's process only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from vllm.v1.structured_output import backend_guidance
from vllm.v1.structured_output.backend_types import StructuredOutputOptions
from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend

_SEPARATORS = (", ", ": ")


def space_json() -> None:
    """Makes both engines space so, unless the caller named the engine, whose flag then counts. Once a process."""
    xgrammar: Any = XgrammarBackend
    xgrammar.__post_init__ = _spaced_xgrammar(xgrammar.__post_init__)
    guidance: Any = backend_guidance.GuidanceBackend
    guidance.compile_grammar = _spaced_guidance(guidance.compile_grammar)


def _chosen(backend: Any) -> bool:
    return backend.vllm_config.structured_outputs_config.backend != "auto"


def _spaced_xgrammar(made: Callable[[Any], None]) -> Callable[[Any], None]:
    def after(backend: Any) -> None:
        made(backend)
        if _chosen(backend):
            return
        compiled = backend.compiler.compile_json_schema

        def compile_json_schema(schema: str, **options: Any) -> Any:
            return compiled(schema, **{**options, "any_whitespace": False, "separators": _SEPARATORS})

        backend.compiler.compile_json_schema = compile_json_schema

    return after


def _spaced_guidance(compiled: Callable[..., Any]) -> Callable[..., Any]:
    def compile_grammar(backend: Any, request_type: Any, grammar_spec: Any, *rest: Any, **named: Any) -> Any:
        if request_type == StructuredOutputOptions.JSON_OBJECT:
            request_type, grammar_spec = StructuredOutputOptions.JSON, '{"type": "object"}'
        if request_type == StructuredOutputOptions.JSON and not _chosen(backend):
            # What a schema says of itself wins over the defaults that vLLM fills in.
            schema = cast(dict[str, Any], json.loads(grammar_spec) if isinstance(grammar_spec, str) else grammar_spec)
            item, key = _SEPARATORS
            told = {"whitespace_flexible": False, "item_separator": item, "key_separator": key}
            grammar_spec = json.dumps({**schema, "x-guidance": told})
        return compiled(backend, request_type, grammar_spec, *rest, **named)

    return compile_grammar
