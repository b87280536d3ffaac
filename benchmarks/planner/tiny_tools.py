"""Eleven tools for a tiny planner to be trained on. Only their signatures matter: training calls none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentrt import tool


@dataclass(frozen=True)
class Film:
    """What is known of a film."""

    director: str
    year: int
    country: str
    minutes: int


@dataclass(frozen=True)
class Person:
    """What is known of a person."""

    birthday: str
    birthplace: str
    employer: str


@dataclass(frozen=True)
class City:
    """What is known of a city."""

    country: str
    population: int
    mayor: str


@dataclass(frozen=True)
class Country:
    """What is known of a country."""

    capital: str
    currency: str
    population: int


@dataclass(frozen=True)
class Weather:
    """The weather at a place."""

    temperature: float
    sky: str


@dataclass(frozen=True)
class Flight:
    """The next flight."""

    airline: str
    price: float
    departure: str


@dataclass(frozen=True)
class Company:
    """What is known of a company."""

    founder: str
    headquarters: str
    staff: int


@tool(effect="pure")
async def film(title: str) -> Film:
    """Finds a film."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def person(name: str) -> Person:
    """Finds a person."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def city(name: str) -> City:
    """Finds a city."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def country(name: str) -> Country:
    """Finds a country."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def company(name: str) -> Company:
    """Finds a company."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def weather(place: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> Weather:
    """Tells the weather."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def distance(start: str, end: str) -> float:
    """Tells how far it is, in kilometres."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def flight(origin: str, destination: str) -> Flight:
    """Finds the next flight."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def exchange(amount: float, currency: str, into: str) -> float:
    """Changes money."""
    raise NotImplementedError("for planning only")


@tool(effect="pure")
async def share(part: float, whole: float) -> float:
    """Tells how many per cent of the whole a part is."""
    raise NotImplementedError("for planning only")


@tool(effect="once")
async def reminder(about: str, day: str) -> str:
    """Sets a reminder."""
    raise NotImplementedError("for planning only")


tools = [film, person, city, country, company, weather, distance, flight, exchange, share, reminder]
