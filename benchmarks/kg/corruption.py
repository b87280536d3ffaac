"""Contexts made wrong: what decides a question is taken away, and what would decide it otherwise stands there."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.kg.kragen import Question, context_edges, decide
from kg_rag.context.builder import Context
from kg_rag.context.sentences import Evidence, clean
from kg_rag.graph import Edge
from kg_rag.store.local import LocalGraph


def corrupt(question: Question, context: Context, graph: LocalGraph) -> Context | None:
    """A context of about the same length from which another answer follows; None where none can be made."""
    deciding = {pair for group in question.groups for pair in group if min(pair) >= 0}
    if not deciding:
        return None
    both = deciding | {(b, a) for a, b in deciding}
    true = [
        one
        for one in context.evidence
        if one.edge.type == question.relation and (one.edge.source, one.edge.target) in both
    ]
    kept = [one for one in context.evidence if one not in true]
    false = _false_pairs(question)
    made = [_stated(graph, question.relation, pair) for pair in false]
    # The false lines stand where the true ones stood: first.
    lines = [*made, *kept][: max(len(made), len(context.evidence))]
    numbered = tuple(replace(one, id=f"E{at}") for at, one in enumerate(lines, 1))
    notes: tuple[str, ...] = ()
    if not false:
        label = graph.schema.relation(question.relation).label
        ends = [[clean(node.name) for node in graph.nodes(pair)] for pair in sorted(deciding)]
        notes = tuple(f'The graph has no "{label}" statement about {a} and {b}.' for a, b in ends)
    wrong = Context(numbered, context.tokens, notes=notes)
    told = decide(question, context_edges(wrong, question))
    return wrong if told not in ("", question.answer) else None


def _false_pairs(question: Question) -> list[tuple[int, int]]:
    """The pairs that must be stated for another answer to follow."""
    if not question.form.startswith("mcq"):
        # A statement that is so loses its lines; one that is not so, or whose negation is, gains them.
        holds = (question.answer == "True") != question.negated
        return [] if holds else sorted(question.groups[0])
    wanted = question.negated
    wrong = [
        sorted(group)
        for number, group in enumerate(question.groups, 1)
        if str(number) != question.answer and all(min(pair) >= 0 for pair in group)
    ]
    if not wrong:
        return []
    if not wanted:
        return wrong[-1]
    right = [pair for group in question.groups for pair in sorted(group) if min(pair) >= 0]
    return [pair for pair in right if pair not in wrong[-1]]


def _stated(graph: LocalGraph, relation: str, pair: tuple[int, int]) -> Evidence:
    """A line that states an edge of `relation` between a pair, with the provenance of an edge that is really there."""
    kinds = dict(zip(pair, (node.kind for node in graph.nodes(pair)), strict=True))
    source, target = pair
    example = graph.edges([int((graph.ends["type"] == list(graph.types).index(relation)).argmax())])[0]
    if kinds[source] != graph.nodes([example.source])[0].kind:
        source, target = target, source
    before, after = (clean(node.name) for node in graph.nodes([source, target]))
    template = graph.schema.relation(relation).template()
    head, _, rest = template.partition("{source}")
    middle, _, tail = rest.partition("{target}")
    edge = Edge(-1, source, relation, target, example.sources, example.evidence, example.licence)
    return Evidence("E0", edge, (before, relation, after), f"{head}{before}{middle}{after}{tail}.", "none")
