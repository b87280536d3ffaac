"""Statements out of text with a small local model: which are true, with and without the rule that they be spoken.

    python -m benchmarks.kg.extraction [--model NAME] [--quick] [--check] [--json FILE]

The sentences, their facts and the schema's phrases were written for this benchmark before any model had read them, and
the rule was not changed after it. Not part of `python -m benchmarks.kg`: it serves a model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import anyio
from langchain_core.language_models import BaseChatModel

from agentrt.serving import open_model
from benchmarks.report import Report, options_of, parser
from kg_rag.extract.triples import Statement, TripleExtractor
from kg_rag.graph import Relation, Schema
from kg_rag.words import normalise

MODEL = "qwen2.5-coder-1.5b"
Fact = tuple[str, str, str]

SCHEMA = Schema(
    {
        "treats": Relation("treats", inverse="is treated with", words=("used to treat", "therapy for", "relieves")),
        "binds": Relation("binds", inverse="is bound by", words=("agonist", "antagonist", "attaches to")),
        "inhibits": Relation("inhibits", inverse="is inhibited by", words=("blocks", "inhibitor of")),
        "causes": Relation("causes", inverse="is caused by", words=("leads to", "side effect")),
        "directed": Relation("directed", inverse="was directed by", words=("director of", "film by")),
        "acted_in": Relation("acted in", words=("starred in", "played in", "stars")),
        "born_in": Relation("was born in", words=("native of", "birthplace")),
    }
)

SENTENCES: tuple[tuple[str, tuple[Fact, ...]], ...] = (
    ("Metformin treats type 2 diabetes.", (("Metformin", "treats", "type 2 diabetes"),)),
    ("Salbutamol is used to treat asthma.", (("Salbutamol", "treats", "asthma"),)),
    ("Malaria is treated with artemether in many countries.", (("artemether", "treats", "Malaria"),)),
    ("Captopril inhibits the enzyme ACE.", (("Captopril", "inhibits", "ACE"),)),
    ("Imatinib is an inhibitor of BCR-ABL.", (("Imatinib", "inhibits", "BCR-ABL"),)),
    ("COX-1 is inhibited by aspirin.", (("aspirin", "inhibits", "COX-1"),)),
    ("Naloxone is an antagonist of the opioid receptor.", (("Naloxone", "binds", "opioid receptor"),)),
    ("Haloperidol binds DRD2 with high affinity.", (("Haloperidol", "binds", "DRD2"),)),
    ("Lisinopril often causes cough.", (("Lisinopril", "causes", "cough"),)),
    ("Gingival overgrowth is a side effect of phenytoin.", (("phenytoin", "causes", "Gingival overgrowth"),)),
    ("Scurvy is caused by a lack of vitamin C.", (("lack of vitamin C", "causes", "Scurvy"),)),
    (
        "Warfarin blocks VKORC1, and an overdose of it leads to bleeding.",
        (("Warfarin", "inhibits", "VKORC1"), ("Warfarin", "causes", "bleeding")),
    ),
    (
        "Propranolol relieves migraine and inhibits CYP2D6.",
        (("Propranolol", "treats", "migraine"), ("Propranolol", "inhibits", "CYP2D6")),
    ),
    ("Omeprazole and amoxicillin were given to 120 patients for ten days.", ()),
    ("The study compared ibuprofen with paracetamol in children.", ()),
    ("Levodopa is taken with carbidopa, as most guidelines recommend.", ()),
    ("Digoxin levels were measured in 40 people with heart failure.", ()),
    ("Both simvastatin and grapefruit are mentioned on the leaflet.", ()),
    ("Akira Kurosawa directed Rashomon.", (("Akira Kurosawa", "directed", "Rashomon"),)),
    ("Rear Window was directed by Alfred Hitchcock.", (("Alfred Hitchcock", "directed", "Rear Window"),)),
    ("Toshiro Mifune starred in Seven Samurai.", (("Toshiro Mifune", "acted_in", "Seven Samurai"),)),
    ("Ingrid Bergman acted in Casablanca.", (("Ingrid Bergman", "acted_in", "Casablanca"),)),
    ("Ingmar Bergman was born in Uppsala.", (("Ingmar Bergman", "born_in", "Uppsala"),)),
    (
        "Agnes Varda, a native of Ixelles, was the director of Vagabond.",
        (("Agnes Varda", "born_in", "Ixelles"), ("Agnes Varda", "directed", "Vagabond")),
    ),
    (
        "Orson Welles directed Citizen Kane and played in The Third Man.",
        (("Orson Welles", "directed", "Citizen Kane"), ("Orson Welles", "acted_in", "The Third Man")),
    ),
    ("Buster Keaton was born in Piqua.", (("Buster Keaton", "born_in", "Piqua"),)),
    ("Grace Kelly met Alfred Hitchcock in London.", ()),
    ("The critics liked Vertigo more than Psycho.", ()),
    ("Federico Fellini and Giulietta Masina lived in Rome.", ()),
    ("Tickets for Metropolis and Nosferatu were sold out in Berlin.", ()),
)


def as_fact(statement: Statement) -> Fact:
    """A statement as it is compared: names folded."""
    return normalise(statement.subject), statement.relation, normalise(statement.object)


async def extracted(model: BaseChatModel, sentences: Sequence[str], *, spoken: bool) -> list[set[Fact]]:
    """The facts found in each sentence."""
    extractor = TripleExtractor(model, SCHEMA, spoken=spoken)
    return [{as_fact(one) for one in await extractor.extract("d", text)} for text in sentences]


async def measure(report: Report, name: str, *, quick: bool) -> None:
    asked = SENTENCES[::3] if quick else SENTENCES
    gold = [{(normalise(s), r, normalise(o)) for s, r, o in facts} for _, facts in asked]
    rows: list[list[str | int | float | None]] = []
    async with open_model(name, temperature=0.0) as model:
        for spoken in (True, False):
            found = await extracted(model, [text for text, _ in asked], spoken=spoken)
            kept = sum(map(len, found))
            right = sum(len(mine & true) for mine, true in zip(found, gold, strict=True))
            share = right / kept if kept else 0.0
            recall = right / sum(map(len, gold))
            way = "only what is spoken" if spoken else "whatever the model says"
            report.add(f"{way}: precision", share, better="higher")
            report.add(f"{way}: recall", recall, better="higher")
            rows.append([way, kept, right, sum(map(len, gold)) - right])
    report.table(f"{len(asked)} sentences, {sum(map(len, gold))} facts", ["", "kept", "true", "facts missed"], rows)


def main() -> int:
    made = parser(__doc__ or "")
    made.add_argument("--model", default=MODEL, help="a catalogue name or a folder")
    chosen = made.parse_args()
    options = options_of(chosen)
    report = Report("kg_extraction", packages=["vllm"], quick=options.quick)
    report.note(f"model: {chosen.model}, greedy")
    anyio.run(lambda: measure(report, chosen.model, quick=options.quick))
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
