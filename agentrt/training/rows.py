"""Chats as tokens, with a mask of what is one's own: the tokens that training may change, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multiagent.errors import TrainingError

IGNORED = -100
"""The label of tokens that are read and not learnt, as torch's cross-entropy has it."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A chat as tokens. `labels` equals `input_ids` on own tokens and is `IGNORED` elsewhere."""

    input_ids: list[int]
    labels: list[int]


def token_row(messages: Sequence[dict[str, Any]], tokenizer: Any) -> TokenRow:
    """Renders a chat with the model's template and marks the assistant's own tokens, its end-of-turn mark included.

    Works with every template: a turn's tokens are what rendering it adds to the chat before with the generation
    prompt, so no `{% generation %}` marks are needed. What the template writes after the end mark is not learnt.

    Args:
        messages: the chat.
        tokenizer: of transformers, with a chat template.

    Raises:
        TrainingError: the template renders the past differently once a turn is added, so no mask can be had.
    """
    whole = chat_tokens(messages, tokenizer, prompt=False)
    mask = [False] * len(whole)
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = chat_tokens(messages[:at], tokenizer, prompt=True)
        through = chat_tokens(messages[: at + 1], tokenizer, prompt=False)
        if whole[: len(before)] != before or whole[: len(through)] != through:
            raise TrainingError(
                "this model's chat template renders earlier messages differently once a later one is added, "
                "so own tokens cannot be told apart; train another model, or give it a template that does not"
            )
        end = _end_of_turn(through, len(before), tokenizer.eos_token_id)
        mask[len(before) : end] = [True] * (end - len(before))
    return TokenRow(whole, [token if own else IGNORED for token, own in zip(whole, mask, strict=True)])


def _end_of_turn(tokens: list[int], begin: int, end_mark: object) -> int:
    """Just behind the end-of-turn mark, where there is one."""
    for at in range(len(tokens) - 1, begin - 1, -1):
        if tokens[at] == end_mark:
            return at + 1
    return len(tokens)


def chat_tokens(messages: Sequence[dict[str, Any]], tokenizer: Any, *, prompt: bool) -> list[int]:
    """A chat rendered with the model's template and cut into tokens; `prompt` adds the opening of the next answer."""
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=prompt)
    return list(tokenizer(str(text), add_special_tokens=False)["input_ids"])
