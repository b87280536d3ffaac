"""What a run has spent, as its journal says."""

from __future__ import annotations

import json

from executor import Prices, Spent
from executor.journal import Journal, Past


def spent_by(journal: Journal, run_id: str, prices: Prices | None = None) -> Spent:
    """What a run has spent so far, with what was spent inside its steps, whose logs are runs of their own."""
    whole = spent_before(Past.of(journal.read(run_id)), prices)
    for run in journal.runs():
        if "workflow_step" in run.head and run.id.startswith(f"{run_id}-"):
            inside = spent_before(Past.of(journal.read(run.id)), prices)
            # The seconds of a step are seconds of its run.
            whole = Spent(
                calls=whole.calls + inside.calls,
                tokens=whole.tokens + inside.tokens,
                seconds=whole.seconds,
                replans=whole.replans + inside.replans,
                cost=whole.cost + inside.cost,
            )
    return whole


def spent_before(past: Past, prices: Prices | None = None) -> Spent:
    """Calls, tokens, seconds, replans and cost of a run so far.

    A request that had no reply when the process ended counts with what was reserved for it.
    """
    prices = prices or Prices()
    tokens_in = tokens_out = 0
    replied = [json.loads(record.data or "{}") for record in past.notes.get("ModelReplied", ())]
    for said in replied:
        tokens_in += said["input"]
        tokens_out += said["output"]
    for record in past.notes.get("ModelAsked", ())[len(replied) :]:
        asked = json.loads(record.data or "{}")
        tokens_in += asked["input"]
        tokens_out += asked["output"]
    calls = {name: task for name, task in past.tasks.items() if task.calls}
    cost = prices.of_tokens(tokens_in, tokens_out)
    cost += sum(prices.calls.get(task.task.call, 0.0) * task.calls for task in calls.values()) if prices.calls else 0.0
    return Spent(
        calls=sum(task.calls for task in calls.values()),
        tokens=tokens_in + tokens_out,
        seconds=past.seconds,
        replans=len(past.notes.get("Replanned", ())),
        cost=cost,
    )
