"""Any OpenAI-compatible server does the thinking: vLLM elsewhere, llama.cpp, Ollama, a hosted one.

OPENAI_API_KEY=... python examples/openai_endpoint.py http://127.0.0.1:8000/v1
"""

import sys

import anyio

from agentrt import Runtime
from agentrt.tools import calculator


async def main(url: str) -> None:
    async with Runtime(model=url, tools=[calculator]) as rt:
        answer = await rt.ask("How many seconds do 17 days have, and how many do 23?")
    print(answer.text)
    print(f"{answer.usage.output_tokens} tokens written in {answer.usage.model_calls} requests")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/openai_endpoint.py URL")
    anyio.run(main, sys.argv[1])
