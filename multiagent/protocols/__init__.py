"""Kinds of conversation."""

from multiagent.protocols.debate import Debate
from multiagent.protocols.exchange import InfoExchange, Solo
from multiagent.protocols.feedback import FeedbackLoop
from multiagent.protocols.jury import Judge, Jury
from multiagent.protocols.port import Protocol

__all__ = ["Debate", "FeedbackLoop", "InfoExchange", "Judge", "Jury", "Protocol", "Solo"]
