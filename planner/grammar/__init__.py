"""Grammars and schemas from tool sets, in which a plan can only be written well."""

from planner.grammar.grounds import Grounds, grounds_of
from planner.grammar.lines import LARGEST, PlanGrammar, check_names, plan_grammar
from planner.grammar.lines import digest as tools_digest
from planner.grammar.schema import plan_schema

__all__ = [
    "LARGEST",
    "Grounds",
    "PlanGrammar",
    "check_names",
    "grounds_of",
    "plan_grammar",
    "plan_schema",
    "tools_digest",
]
