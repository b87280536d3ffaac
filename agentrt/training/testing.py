"""A random Llama of two layers with a vocabulary of words, and a chat model that samples from it: training in seconds.

For tests and ablations. It knows nothing; what it can learn is which words are wanted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from multiagent.training import ModelAt

WORDS = tuple(f"w{n}" for n in range(12))
"""All that it can say."""

_MARKS = ("<unk>", "<pad>", "</s>", "<system>", "<user>", "<assistant>", "Question:")
_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %} </s>{% endif %} {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


_CLOSE_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
_PIECE = r"<(?:unk|pad|/s|system|user|assistant)>|[A-Za-z]+|[0-9]|[^A-Za-z0-9]"


def make_tiny_llama(folder: Path, seed: int = 0, texts: Iterable[str] = (), context: int = 512) -> Path:
    """Writes a random model of about 30,000 weights and its tokenizer; returns the folder.

    Args:
        folder: where to.
        seed: of the weights.
        texts: with them its words are theirs, and spaces and signs are words too, so that it can say them exactly.
        context: most tokens it can read.
    """
    import tokenizers
    import torch
    import transformers

    auto: Any = transformers  # its signatures are half typed
    parts: Any = tokenizers
    pieces = sorted({piece for text in texts for piece in re.findall(_PIECE, text)})
    words = {word: at for at, word in enumerate(dict.fromkeys([*_MARKS, *(pieces or WORDS)]))}
    tokens = parts.Tokenizer(parts.models.WordLevel(words, unk_token="<unk>"))
    if pieces:
        tokens.pre_tokenizer = parts.pre_tokenizers.Split(parts.Regex(_PIECE), "isolated")
        tokens.decoder = parts.decoders.Fuse()
    else:
        tokens.pre_tokenizer = parts.pre_tokenizers.WhitespaceSplit()
    tokenizer = auto.PreTrainedTokenizerFast(
        tokenizer_object=tokens, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        chat_template=_CLOSE_TEMPLATE if pieces else _TEMPLATE,
    )  # fmt: skip
    config = auto.LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
        pad_token_id=1,
        bos_token_id=None,
        eos_token_id=2,
    )
    randomness: Any = torch.random
    with randomness.fork_rng():
        randomness.manual_seed(seed)
        model = auto.LlamaForCausalLM(config)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


class TinyChat(BaseChatModel):
    """Samples from such a folder. A `seed` and the prompt's length decide what it says; or it says what is likeliest.

    Attributes:
        folder: the checkpoint.
        longest: words of a reply at most.
        greedy: whether it says what is likeliest.
    """

    folder: str
    longest: int = 4
    greedy: bool = False
    _loaded: Any = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "tiny"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._lock:
            prompt, made, text = self._sample(messages, int(kwargs.get("seed", 0)), int(kwargs.get("max_tokens", 64)))
        usage = UsageMetadata(input_tokens=prompt, output_tokens=made, total_tokens=prompt + made)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, usage_metadata=usage))])

    def _sample(self, messages: list[BaseMessage], seed: int, most: int) -> tuple[int, int, str]:
        import torch

        from agentrt.training.checkpoint import load

        if self._loaded is None:
            self._loaded = load(self.folder, "cpu")
        model, tokenizer = self._loaded
        made: list[int]
        chat = convert_to_openai_messages(messages)
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        prompt: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        if self.greedy:
            with torch.inference_mode():
                longest = min(self.longest, most)
                whole = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=longest)[0].tolist()
            made = whole[len(prompt) :]
            return len(prompt), len(made), str(tokenizer.decode(made, skip_special_tokens=True))
        draw = torch.Generator().manual_seed(seed + len(messages))
        made = []
        with torch.inference_mode():
            while len(made) < min(self.longest, most):
                odds = model(torch.tensor([prompt + made])).logits[0, -1].softmax(-1)
                token = int(torch.multinomial(odds, 1, generator=draw))
                if token == tokenizer.eos_token_id:
                    break
                made.append(token)
        return len(prompt), len(made), str(tokenizer.decode(made, skip_special_tokens=True))


@asynccontextmanager
async def open_tiny(model: ModelAt) -> AsyncGenerator[BaseChatModel]:
    """Opens such a folder as a training run does."""
    yield TinyChat(folder=str(model))
