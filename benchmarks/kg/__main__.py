"""Knowledge-graph retrieval: stores, linking, multi-hop questions, contexts. Figures beside trivial baselines.

python -m benchmarks.kg [--quick] [--check] [--json FILE] [--fit]
"""

from __future__ import annotations

import statistics
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.kg import contexts, graphs, linking, metaqa, stores, streaming
from benchmarks.kg.tokens import counter
from benchmarks.report import Report, options_of, parser
from kg_rag.linking.linker import Linker
from kg_rag.retrieval.paths import TypedPaths

PACKAGES = ["numpy", "pyarrow", "rapidfuzz", "scikit-learn", "networkx", "ladybug"]


def store_figures(report: Report, data: Path) -> None:
    path = graphs.hetionet(data)
    there = [name for name in stores.STORES if name == "csr" or find_spec(name)]
    found = {name: stores.measure(name, path) for name in there}
    for name in sorted(set(stores.STORES) - set(there)):
        report.note(f"{name} is not installed and was not measured")
    ours = found["csr"]
    report.add("store: open", ours["open"], unit="ms", target=50)
    report.add("store: one hop p50", ours["one hop p50"], unit="ms", target=0.05)
    report.add("store: one hop p99", ours["one hop p99"], unit="ms", target=1)
    report.add("store: two hops p50", ours["two hops p50"], unit="ms", target=20)
    report.add("store: PageRank p50", ours["pagerank p50"], unit="ms", target=200)
    report.add("store: memory", ours["rss"], unit="MB", target=150)
    columns = ["open", "one hop p50", "one hop p99", "two hops p50", "pagerank p50", "rss"]
    rows = [
        [name, *(round(values[one], 3) if one in values else None for one in columns)] for name, values in found.items()
    ]
    report.table("stores, 1.15M edges (ms, MB); networkx's open is making its graph", ["store", *columns], rows)


def linking_figures(report: Report, data: Path) -> None:
    mentions, indices = linking.load(data)
    with graphs.opened(graphs.diseases(data)) as graph:
        linker = Linker(graph)
        outcome = linking.evaluate(linker, mentions, indices, train=False)
        report.add("linking: hit@1", outcome.share(0), target=0.87, better="higher")
        report.add("linking: hit@5", outcome.share(1), target=0.92, better="higher")
        report.add("linking: median", statistics.median(outcome.milliseconds), unit="ms", target=5)
        precision, recall = outcome.abstention(linker.ranking.threshold)
        report.add("linking: abstention precision", precision)
        report.add("linking: abstention recall", recall)
        rows = [
            [kind, round(outcome.share(0, kind), 3), round(outcome.share(1, kind), 3)] for kind in sorted(outcome.hits)
        ]
        report.table("linking by how the mention was made (test half)", ["mention", "hit@1", "hit@5"], rows)
        curve = [[step / 10, *(round(one, 3) for one in outcome.abstention(step / 10))] for step in range(1, 10)]
        report.table("abstention by threshold (test half)", ["threshold", "precision", "recall"], curve)
        baselines = [
            ["the name letter for letter", round(linking.exact_only(graph, mentions, indices), 3)],
            ["nearest by character n-grams, always accepted", round(linking.cosine_only(linker, mentions, indices), 3)],
        ]
        report.table("linking baselines (hit@1)", ["baseline", "hit@1"], baselines)


def metaqa_figures(report: Report, data: Path, *, quick: bool) -> None:
    asked = metaqa.questions(data)
    if quick:
        asked = [one for at, one in enumerate(asked) if one.train or at % 4 == 0]
    with graphs.opened(graphs.movies(data)) as graph:
        finder = metaqa.finder_for(graph)
        retriever = TypedPaths(metaqa.fit(asked, finder))
        plain = metaqa.answer(graph, finder, retriever, asked)
        lower = metaqa.answer(graph, finder, retriever, asked, "lower")
        typo = metaqa.answer(graph, finder, retriever, asked, "typo")
        zero = metaqa.answer(graph, finder, TypedPaths(hops=3), asked[::3])
        common = metaqa.commonest(asked)
        for hops, target in ((1, 97), (2, 99), (3, 95)):
            report.add(f"MetaQA: hits@1, {hops} hops", plain.hits(hops), unit="%", target=target, better="higher")
        report.add("MetaQA: median", statistics.median(plain.seconds) * 1e3, unit="ms", target=20)
        lost = max(plain.hits(hops) - lower.hits(hops) for hops in (1, 2, 3))
        report.add("MetaQA: most points lost to lower case", lost, unit="points", target=1)
        rows = [
            [name, *(round(score.hits(hops), 1) for hops in (1, 2, 3))]
            for name, score in (
                ("learnt paths", plain),
                ("learnt paths, all in lower case", lower),
                ("learnt paths, slips in the topic", typo),
                ("no examples (relation names only)", zero),
            )
        ]
        rows.append(["baseline: the commonest answer", *(round(common[hops], 1) for hops in (1, 2, 3))])
        report.table("MetaQA dev, test half, exact_in_kb, topic not marked (hits@1, %)", ["", "1", "2", "3"], rows)


def streaming_figures(report: Report, *, quick: bool) -> None:
    edges = streaming.EDGES // 10 if quick else streaming.EDGES
    found = streaming.measure(edges)
    report.add(f"build: peak memory, {edges:,} edges", found["peak"], unit="MB", target=2000)
    report.add(f"build: {edges:,} edges", found["seconds"], unit="s")


def main() -> int:
    made = parser(__doc__ or "")
    made.add_argument("--fit", action="store_true", help="print weights of linking fitted to the train half, and end")
    chosen = made.parse_args()
    options = options_of(chosen)
    report = Report("kg", packages=PACKAGES, quick=options.quick)
    data = graphs.data_folder()
    if data is None:
        report.note("skipped: the shared data is not here; set AGENTRT_DATA to its folder")
        return report.finish(options)
    if chosen.fit:
        mentions, indices = linking.load(data)
        with graphs.opened(graphs.diseases(data)) as graph:
            print(linking.fit(Linker(graph), mentions, indices))
        return 0
    count, name = counter()
    report.note(f"tokens are counted with {name}")
    store_figures(report, data)
    linking_figures(report, data)
    metaqa_figures(report, data, quick=options.quick)
    contexts.kragen_figures(report, data, count, quick=options.quick)
    contexts.biomixqa_figures(report, data, count)
    streaming_figures(report, quick=options.quick)
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
