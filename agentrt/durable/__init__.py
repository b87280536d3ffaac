"""Questions that survive their process: recorded model replies, recorded events, resume and replay."""

from agentrt.durable.errors import Diverged
from agentrt.durable.means import RunMeans, ThriftyJoiner
from agentrt.durable.replay import Comparer, RecordedExecutor, Retold, changed_tool, decisions_in, retell
from agentrt.durable.requests import recorded, retold_model
from agentrt.durable.spent import spent_by
from agentrt.durable.tape import Tape

__all__ = [
    "Comparer",
    "Diverged",
    "RecordedExecutor",
    "Retold",
    "RunMeans",
    "Tape",
    "ThriftyJoiner",
    "changed_tool",
    "decisions_in",
    "recorded",
    "retell",
    "retold_model",
    "spent_by",
]
