"""A vLLM engine in a process of its own: reads a JSON job on stdin, writes its answers as JSON to the file it names.

Not a test: vLLM changes torch's settings for its whole process, so each engine gets one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    job: dict[str, Any] = json.load(sys.stdin)
    os.environ |= {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    engine: dict[str, Any] = job["engine"]
    if job.get("rsd"):
        from agentrt.serving.rsd.vllm_plugin.launch import launch
        from agentrt.serving.rsd.vllm_plugin.settings import PluginSettings

        plan = launch(PluginSettings(**job["rsd"]))
        assert plan.note is None, plan.note
        os.environ |= plan.env
        engine |= plan.engine_arguments
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    def sampling(settings: dict[str, Any]) -> SamplingParams:
        if "choice" in settings:
            choices = settings.pop("choice")
            settings["structured_outputs"] = StructuredOutputsParams(choice=choices)
        return SamplingParams(**settings)

    llm = LLM(dtype="float32", enforce_eager=True, disable_log_stats=True, **engine)
    answers: list[Any] = []
    for batch in job["batches"]:
        prompts = [p if isinstance(p, str) else {"prompt_token_ids": p} for p, _ in batch]
        done = llm.generate(prompts, [sampling(s) for _, s in batch], use_tqdm=False)
        answers.append(
            [
                {
                    "tokens": list(out.outputs[0].token_ids),
                    "text": out.outputs[0].text,
                    "logprobs": [
                        {str(t): v.logprob for t, v in each.items()} for each in out.outputs[0].logprobs or []
                    ],
                }
                for out in done
            ]
        )
    counts = llm.collective_rpc("tree_counts")[0] if job.get("rsd") else None
    result = {"answers": answers}
    if counts is not None:
        result["counts"] = [counts.calls, counts.tokens, counts.offered, counts.accepted]
    Path(job["out"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
