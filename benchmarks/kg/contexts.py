"""KRAGEN and BiomixQA without a language model: do the sentences of a context decide the question, at what price?"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks.kg import biomixqa, graphs, kragen
from benchmarks.report import Report
from kg_rag.answer.claims import check_claims
from kg_rag.context.builder import ContextBuilder
from kg_rag.context.pruning import TokenCounter
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.pipeline import KnowledgeGraphRAG
from kg_rag.retrieval.neighbourhood import Neighbourhood
from kg_rag.retrieval.port import Query
from kg_rag.store.local import LocalGraph

BUDGETS = (32, 64, 128, 256, 512)
_LARGEST = 20_000


def kragen_figures(report: Report, data: Path, count: TokenCounter, *, quick: bool) -> None:
    with graphs.opened(graphs.hetionet(data)) as graph:
        asked = kragen.load(data, graph)[:: 3 if quick else 1]
        builder = ContextBuilder(512, count_tokens=count)
        pipeline = KnowledgeGraphRAG(graph, builder=builder)
        there = [kragen.graph_edges(graph, question) for question in asked]
        ceiling = sum(kragen.decide(q, edges) == q.answer for q, edges in zip(asked, there, strict=True))
        milliseconds: list[float] = []
        found: list[set[tuple[int, int]]] = []
        tokens: list[int] = []
        for question in asked:
            began = time.perf_counter()
            context = pipeline.find(question.text).context
            milliseconds.append((time.perf_counter() - began) * 1e3)
            found.append(kragen.context_edges(context, question))
            tokens.append(context.tokens)
        held = [
            all(pair in edges or pair[::-1] in edges for pair in wanted)
            for edges, wanted in zip(found, there, strict=True)
            if wanted
        ]
        right = [kragen.decide(q, edges) == q.answer for q, edges in zip(asked, found, strict=True)]
        size = len(asked)
        report.add(
            "KRAGEN: deciding edges in 512 tokens", 100 * statistics.mean(held), unit="%", target=94, better="higher"
        )
        report.add("KRAGEN: decided as the answer says", 100 * sum(right) / size, unit="%")
        report.add("KRAGEN: ceiling (the whole graph decides)", 100 * ceiling / size, unit="%")
        lowered = _right(pipeline, [replace(question, text=question.text.lower()) for question in asked])
        report.add("KRAGEN: points lost to lower case", 100 * (sum(right) - lowered) / size, unit="points", target=1)
        report.add("KRAGEN: median", statistics.median(milliseconds), unit="ms")
        _against_whole(report, graph, asked, right, tokens, count)
        if not quick:
            _by_budget(report, graph, asked, builder)
        _baselines(report, asked, len(held))


def _right(pipeline: KnowledgeGraphRAG, asked: list[kragen.Question]) -> int:
    return sum(
        kragen.decide(question, kragen.context_edges(pipeline.find(question.text).context, question)) == question.answer
        for question in asked
    )


def _against_whole(
    report: Report,
    graph: LocalGraph,
    asked: list[kragen.Question],
    right: list[bool],
    tokens: list[int],
    count: TokenCounter,
) -> None:
    """The same questions with every edge around what they mention, as far as those are not too many to write out."""
    builder = ContextBuilder(10**9, count_tokens=count, focus=False, considered=10**9)
    finder, retriever = MentionFinder(Linker(graph)), Neighbourhood(ranked=False)
    ours: list[tuple[bool, int]] = []
    whole: list[tuple[bool, int]] = []
    for question, held, used in zip(asked, right, tokens, strict=True):
        edges = retriever.retrieve(graph, Query(question.text, finder.find(question.text)))
        if not 0 < len(edges.edges) < _LARGEST:
            continue
        context = builder.build(graph, question.text, edges)
        decided = kragen.decide(question, kragen.context_edges(context, question)) == question.answer
        whole.append((decided, context.tokens))
        ours.append((held, used))
    fewer = 100 * (1 - sum(used for _, used in ours) / max(1, sum(used for _, used in whole)))
    report.add("tokens: fewer than the whole neighbourhood", fewer, unit="%", target=60, better="higher")
    lost = 100 * (sum(held for held, _ in whole) - sum(held for held, _ in ours)) / max(1, len(whole))
    report.add("tokens: points of decided questions lost for it", lost, unit="points", target=0)
    median = statistics.median(used for _, used in whole)
    ours_median = statistics.median(used for _, used in ours)
    report.note(
        f"Tokens are compared over the {len(whole)} questions whose whole neighbourhood is under {_LARGEST:,} edges: "
        f"{median:.0f} tokens at the median there, {ours_median:.0f} here. A question is decided by reading the edges "
        "of the context, without a language model."
    )


def _by_budget(report: Report, graph: LocalGraph, asked: list[kragen.Question], builder: ContextBuilder) -> None:
    rows: list[list[str | float]] = []
    for budget in BUDGETS:
        row: list[str | float] = [str(budget)]
        for focus in (True, False):
            chosen = replace(builder, budget=budget, focus=focus, detail="none")
            pipeline = KnowledgeGraphRAG(graph, builder=chosen)
            row.append(round(100 * _right(pipeline, asked) / len(asked), 1))
        rows.append(row)
    report.table(
        "KRAGEN: decided as the answer says, by token budget (%)",
        ["budget", "edges asked for only", "budget filled up"],
        rows,
    )


def _baselines(report: Report, asked: list[kragen.Question], deciding: int) -> None:
    rows: list[list[str | float]] = []
    for name, chosen in (
        ("statements", [one for one in asked if not one.form.startswith("mcq")]),
        ("choices", [one for one in asked if one.form.startswith("mcq")]),
    ):
        common = Counter(one.answer for one in chosen).most_common(1)[0][1]
        rows.append([f"{name}: always the commonest answer", round(100 * common / len(chosen), 1)])
        if name == "statements":
            negated = sum(("False" if one.negated else "True") == one.answer for one in chosen)
            rows.append(['statements: False where the text holds "not"', round(100 * negated / len(chosen), 1)])
    report.table("KRAGEN: trivial baselines (%)", ["baseline", "right"], rows)
    report.note(
        f"KRAGEN: {len(asked)} questions of five relations, chosen by relation alone; {deciding} have a deciding edge "
        "in the graph."
    )


def biomixqa_figures(report: Report, data: Path, count: TokenCounter) -> None:
    """Choices by how many of the two diseases an option's edges reach, statements by the verdict on their claims."""
    with graphs.opened(graphs.hetionet(data)) as graph:
        pipeline = KnowledgeGraphRAG(graph, builder=ContextBuilder(512, count_tokens=count))
        choices, statements = Counter[str](), Counter[str]()
        for question in biomixqa.load(data):
            if question.options:
                choices[_choice(pipeline, question)] += 1
            else:
                claims = check_claims(question.text, graph, pipeline.finder)
                verdicts = {claim.verdict for claim in claims} - {"unknown"}
                told = "" if len(verdicts) != 1 else str(verdicts == {"supported"})
                statements["undecided" if not told else "right" if told == question.answer else "wrong"] += 1
        rows = [
            [name, counts["right"], counts["wrong"], counts["undecided"]]
            for name, counts in (("choices", choices), ("statements", statements))
        ]
        report.table("BiomixQA: what Hetionet alone decides (questions)", ["form", "right", "wrong", "undecided"], rows)
        report.table("BiomixQA: trivial baselines (%)", ["baseline", "right"], biomixqa.baselines(biomixqa.load(data)))


def _choice(pipeline: KnowledgeGraphRAG, question: biomixqa.Question) -> str:
    found = pipeline.find(question.text).context
    reached = dict.fromkeys(question.options, 0)
    diseases = {subject.casefold() for subject in question.subjects}
    for one in found.evidence:
        ends = {one.triple[0], one.triple[2]}
        for option in question.options:
            if option in ends and any(end.casefold() in diseases for end in ends):
                reached[option] += 1
    best = max(reached.values())
    leading = [option for option, count in reached.items() if count == best]
    if not best or len(leading) > 1:
        return "undecided"
    return "right" if leading[0] == question.answer else "wrong"
