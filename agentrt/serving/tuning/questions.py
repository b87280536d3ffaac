"""The questions of the timed requests: 80 for plans, about 50 for decisions and for chat, no two alike.

A server remembers prompts, and some ways to draft remember answers: asked twice, a question is no measure of the third
one. Words come again, as they do with one person's questions about the same tools.
"""

from __future__ import annotations

from itertools import combinations

_CITIES = (
    *("Paris", "Lima", "Quito", "Berlin", "Rome", "Madrid", "Lisbon", "Oslo", "Vienna", "Prague", "Cairo", "Accra"),
    *("Tokyo", "Seoul", "Hanoi", "Delhi", "Boston", "Denver", "Havana", "Bogota"),
)
_COUNTRIES = (
    *("Norway", "Peru", "Chile", "Kenya", "Spain", "Portugal", "Ghana", "Japan", "Vietnam", "Canada", "Cuba"),
    *("Poland", "Greece", "Turkey", "Morocco", "Iceland", "Nepal", "Bolivia", "Finland", "Egypt"),
)
_CURRENCIES = ("forint", "zloty", "yen", "rupee", "peso", "krona", "dong", "won", "rand", "shekel")
_MEASURES = (
    *("kilometres is a light year", "metres is a fathom", "litres is a barrel", "grams is an ounce"),
    *("hectares is an acre", "kilometres is a league", "metres is a furlong", "joules is a calorie"),
    *("watts is a horsepower", "pascals is an atmosphere"),
)


def _plans() -> list[str]:
    asked: list[str] = []
    for at, (currency, measure) in enumerate(zip(_CURRENCIES, _MEASURES, strict=True)):
        a, b, c, d = (_CITIES[(4 * at + at // 5 + step) % len(_CITIES)] for step in range(4))
        here, there, other, far = (_COUNTRIES[(4 * at + at // 5 + step) % len(_COUNTRIES)] for step in range(4))
        asked += [
            f"How much do flights from {a} to {b} and from {a} to {c} cost together?",
            f"How warm is it in the capital of {here} tomorrow, in fahrenheit?",
            f"Which has more people, {there} or {other}?",
            f"What is the population of the country whose currency is the {currency}?",
            f"What is the weather in {b}, {c} and {d} today?",
            f"How long does the flight from {d} to the capital of {far} take?",
            f"What is the area of {other} divided by the area of {far}?",
            f"How many {measure}, and who measured it first?",
        ]
    return asked


PLANS = tuple(_plans())

_FACTS = (
    (
        "longer",
        "film of",
        "minutes",
        (("Heat", 170), ("Ronin", 122), ("Alien", 117), ("Gandhi", 191), ("Fargo", 98), ("Tenet", 150)),
    ),
    (
        "older",
        "church begun in",
        "AD",
        (
            ("Cologne Cathedral", 1248),
            ("Notre-Dame de Paris", 1163),
            ("Ulm Minster", 1377),
            ("Seville Cathedral", 1402),
        ),
    ),
    (
        "higher",
        "mountain of",
        "metres",
        (("Kilimanjaro", 5895), ("Mont Blanc", 4806), ("Denali", 6190), ("Elbrus", 5642), ("Aconcagua", 6961)),
    ),
    (
        "longer",
        "river of",
        "kilometres",
        (("the Elbe", 1094), ("the Loire", 1006), ("the Rhine", 1233), ("the Danube", 2850), ("the Po", 652)),
    ),
    (
        "deeper",
        "lake of",
        "metres",
        (("Lake Como", 410), ("Lake Garda", 346), ("Lake Geneva", 310), ("Loch Ness", 230), ("Lake Baikal", 1642)),
    ),
)


def _decisions() -> list[str]:
    of_kinds = [
        [
            f"Question: Which is {what}, {a} or {b}?\n\nResults:\n1. search({a!r}) → {a} is a {kind} {x} {unit}.\n"
            f"2. search({b!r}) → {b} is a {kind} {y} {unit}."
            for (a, x), (b, y) in combinations(things, 2)
        ]
        for what, kind, unit, things in _FACTS
    ]
    # The kinds in turn, so that neighbours differ.
    longest = max(map(len, of_kinds))
    return [asked[at] for at in range(longest) for asked in of_kinds if at < len(asked)]


DECISIONS = tuple(_decisions())

_TOPICS = ("rivers", "hash tables", "tea", "the sky", "Vienna", "newspapers", "linked lists", "sleep")
_REQUESTS = (
    "Write three sentences about {}.",
    "Explain {} to a ten-year-old.",
    "Name five surprising things about {}.",
    "Write a short letter to a friend about {}.",
    "What do people often get wrong about {}? Answer in two sentences.",
    "Write four lines of verse about {}.",
)
CHATS = tuple(
    _REQUESTS[(at + turn) % len(_REQUESTS)].format(topic)
    for turn in range(len(_REQUESTS))
    for at, topic in enumerate(_TOPICS)
)
