"""Conversations between language model agents: protocols, formats, rewards and Optima training.

Stands on its own; imports nothing of ours.
"""

from multiagent.agent import Agent
from multiagent.agreement import JuryStatistics, cohen_kappa, fleiss_kappa, jury_statistics
from multiagent.checkpoints import Checkpoints, MemoryCheckpoints, SqliteCheckpoints
from multiagent.conversation import Conversation
from multiagent.errors import MultiagentError
from multiagent.events import ConversationEvent, ConversationResult, Piece, Stopped, TurnFinished, TurnStarted
from multiagent.formats import FORMATS, Format, gloss
from multiagent.protocols import Debate, FeedbackLoop, InfoExchange, Judge, Jury, Protocol, Solo
from multiagent.rewards import IDPO_WEIGHTS, ISFT_WEIGHTS, Readability, Reward, RewardParts, Weights
from multiagent.sampling import Case, Consensus, converse_all, self_consistency
from multiagent.speakers import ChosenBy, ChosenByModel, Floor, RoundRobin, Speakers
from multiagent.transcript import Transcript, Turn, Usage
from multiagent.until import Agreement, EndMark, MaxTurns, PingPong, Repeats, Silence, TokenBudget, Until, When

__all__ = [
    "FORMATS",
    "IDPO_WEIGHTS",
    "ISFT_WEIGHTS",
    "Agent",
    "Agreement",
    "Case",
    "Checkpoints",
    "ChosenBy",
    "ChosenByModel",
    "Consensus",
    "Conversation",
    "ConversationEvent",
    "ConversationResult",
    "Debate",
    "EndMark",
    "FeedbackLoop",
    "Floor",
    "Format",
    "InfoExchange",
    "Judge",
    "Jury",
    "JuryStatistics",
    "MaxTurns",
    "MemoryCheckpoints",
    "MultiagentError",
    "Piece",
    "PingPong",
    "Protocol",
    "Readability",
    "Repeats",
    "Reward",
    "RewardParts",
    "RoundRobin",
    "Silence",
    "Solo",
    "Speakers",
    "SqliteCheckpoints",
    "Stopped",
    "TokenBudget",
    "Transcript",
    "Turn",
    "TurnFinished",
    "TurnStarted",
    "Until",
    "Usage",
    "Weights",
    "When",
    "cohen_kappa",
    "converse_all",
    "fleiss_kappa",
    "gloss",
    "jury_statistics",
    "self_consistency",
]
