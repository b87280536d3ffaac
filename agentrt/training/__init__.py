"""Training on this machine: the one place that touches trl and peft. Needs the extra `optima`.

Importing it imports neither torch nor trl; they are loaded when something is trained.
"""

from agentrt.training.displacement import ches_scores
from agentrt.training.influence import influence_on, mutual_influence
from agentrt.training.machine import machine_name
from agentrt.training.readability import EndpointReadability, TorchReadability
from agentrt.training.rows import token_row
from agentrt.training.trainer import TrlTrainer

__all__ = [
    "EndpointReadability",
    "TorchReadability",
    "TrlTrainer",
    "ches_scores",
    "influence_on",
    "machine_name",
    "mutual_influence",
    "token_row",
]
