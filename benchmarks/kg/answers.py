"""End to end with a small local model: KRAGEN with and without retrieval, and with evidence made wrong.

    python -m benchmarks.kg.answers [--questions N] [--json FILE]

Not part of `python -m benchmarks.kg`: it serves a model. Evidence is made wrong by taking the deciding edges away and
stating, in their place, the same of another option. The figure of faithfulness is (accuracy with true evidence +
accuracy with wrong evidence) / 2.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from dataclasses import dataclass, replace

import anyio
from langchain_core.language_models import BaseChatModel

from agentrt.serving import open_model
from benchmarks.kg import graphs, kragen
from benchmarks.kg.__main__ import counter
from benchmarks.report import Report, options_of, parser
from kg_rag.answer.conflict import Reply, Rules, confidence
from kg_rag.answer.prompt import closed_book, with_evidence
from kg_rag.context.builder import Context, ContextBuilder
from kg_rag.context.sentences import Evidence
from kg_rag.pipeline import KnowledgeGraphRAG
from kg_rag.store.local import LocalGraph

MODEL = "qwen2.5-coder-1.5b"
_DIGIT = re.compile(r"\b([1-5])\b")
_TRUTH = re.compile(r"\b(true|false)\b", re.IGNORECASE)


@dataclass
class Asked:
    question: kragen.Question
    memory: Reply
    true: Reply
    wrong: Reply
    context: Context
    corrupted: Context


def told(question: kragen.Question) -> str:
    """The question with the form its answer must have."""
    if question.form.startswith("mcq"):
        return f"{question.text}\nReply with the number of the option only."
    return f"{question.text}\nReply with True or False only."


def read(question: kragen.Question, reply: str) -> str:
    """The answer in a reply: its first number, or its first True or False."""
    if question.form.startswith("mcq"):
        found = _DIGIT.search(reply)
        return found.group(1) if found else ""
    truth = _TRUTH.search(reply)
    return truth.group(1).capitalize() if truth else ""


def corrupt(question: kragen.Question, context: Context, graph: LocalGraph) -> Context:
    """A context that decides otherwise: deciding lines now name another node of the question, or none is left."""
    pairs = {pair for group in question.groups for pair in group}
    deciding = [one for one in context.evidence if _pair(one) & pairs]
    if not deciding:
        # A false statement, or an option without an edge: state what is not so.
        pair = next((pair for pair in sorted(pairs) if min(pair) >= 0), None)
        if pair is None or not context.evidence:
            return context
        first = context.evidence[0]
        a, b = (node.name for node in graph.nodes(pair))
        edge = replace(first.edge, type=question.relation)
        made = replace(first, sentence=f"{a} {graph.schema.relation(question.relation).label} {b}.", edge=edge)
        return replace(context, evidence=(made, *context.evidence[1:]))
    options = sorted({pair[0] for pair in pairs if pair[0] >= 0})
    names = {node.index: node.name for node in graph.nodes(options)}
    made_lines: list[Evidence] = []
    for one in context.evidence:
        if one not in deciding:
            made_lines.append(one)
            continue
        named = next((node for node in options if node in (one.edge.source, one.edge.target)), None)
        other = options[(options.index(named) + 1) % len(options)] if named is not None else None
        if other is not None and other != named and named is not None:
            made_lines.append(replace(one, sentence=one.sentence.replace(names[named], names[other])))
    return replace(context, evidence=tuple(made_lines))


def _pair(one: Evidence) -> set[tuple[int, int]]:
    return {(one.edge.source, one.edge.target), (one.edge.target, one.edge.source)}


async def ask(model: BaseChatModel, messages: list[object]) -> Reply:
    reply = await model.bind(logprobs=True).ainvoke(messages)  # type: ignore[arg-type] - messages of langchain-core
    return Reply(str(reply.text).strip(), confidence(reply))


async def run(pipeline: KnowledgeGraphRAG, asked: list[kragen.Question]) -> list[Asked]:
    done: list[Asked] = []
    async with open_model(MODEL, temperature=0, max_tokens=8) as model:
        limiter = anyio.CapacityLimiter(4)

        async def one(question: kragen.Question) -> None:
            async with limiter:
                context = pipeline.find(question.text).context
                wrong = corrupt(question, context, pipeline.graph)
                text = told(question)
                replies = [
                    await ask(model, list(closed_book(text))),
                    await ask(model, list(with_evidence(text, context, brief=True))),
                    await ask(model, list(with_evidence(text, wrong, brief=True))),
                ]
                done.append(Asked(question, *replies, context, wrong))

        async with anyio.create_task_group() as group:
            for question in asked:
                group.start_soon(one, question)
    return done


def share(done: list[Asked], pick: object) -> float:
    return 100 * sum(pick(one) for one in done) / max(1, len(done))  # type: ignore[operator] - a function


def by_rules(one: Asked, evidence: Reply, context: Context) -> bool:
    memory, found = (replace(reply, text=read(one.question, reply.text)) for reply in (one.memory, evidence))
    chosen = Rules().pick(memory, found, context)
    return (memory if chosen == "memory" else found).text == one.question.answer


def main() -> int:
    options_parser = parser(__doc__ or "")
    options_parser.add_argument("--questions", type=int, default=40)
    arguments = options_parser.parse_args()
    options = options_of(arguments)
    report = Report("kg_answers", packages=["vllm", "langchain-core"], quick=options.quick)
    data = graphs.data_folder()
    if data is None:
        report.note("skipped: the shared data is not here; set AGENTRT_DATA to its folder")
        return report.finish(options)
    count, name = counter()
    with graphs.opened(graphs.hetionet(data)) as graph:
        questions = kragen.load(data, graph)
        questions = questions[:: max(1, math.ceil(len(questions) / arguments.questions))]
        builder = ContextBuilder(512, count_tokens=count, detail="none")
        done = anyio.run(run, KnowledgeGraphRAG(graph, builder=builder), questions)

    def right(reply: str) -> float:
        return share(done, lambda one: read(one.question, getattr(one, reply).text) == one.question.answer)

    memory, true, wrong = right("memory"), right("true"), right("wrong")
    rcr_true = share(done, lambda one: by_rules(one, one.true, one.context))
    rcr_wrong = share(done, lambda one: by_rules(one, one.wrong, one.corrupted))
    report.add("KRAGEN: without retrieval", memory, unit="%")
    report.add("KRAGEN: with retrieval", true, unit="%")
    report.add("faithfulness: context", (true + wrong) / 2, unit="%")
    report.add("faithfulness: rcr", (rcr_true + rcr_wrong) / 2, unit="%")
    answers = [one.question.answer for one in done]
    truths = Counter(answer for answer in answers if not answer.isdigit())
    numbers = Counter(answer for answer in answers if answer.isdigit())
    trivial = sum(counts.most_common(1)[0][1] for counts in (truths, numbers) if counts)
    report.add("baseline: commonest answer of each form", 100 * trivial / max(1, len(done)), unit="%")
    rows = [["true", round(true, 1), round(rcr_true, 1)], ["wrong", round(wrong, 1), round(rcr_wrong, 1)]]
    report.table("accuracy by evidence (%)", ["evidence", "context", "rcr"], rows)
    report.note(f"{len(done)} questions, {MODEL}, at most 512 tokens of evidence counted with {name}, temperature 0")
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
