from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import pytest

from agentrt.tools import CalculationError, calculator
from agentrt.tools.calculation import Sandbox
from executor import Executor, Failed, Finished, Outcome, Task


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7,300 - 6,900", 400),
        ("15% of 80", 12),
        ("200 * (1 + 15%)", 230),
        ("0.1 + 0.2", 0.3),
        ("1/3", 0.333333333333333),
        ("2^10", 1024),
        ("10**30", 10**30),
        ("sqrt(2)", 1.4142135623731),
        ("round(2.567, 1)", 2.6),
        ("factorial(20)", 2432902008176640000),
        ("-2^2", -4),
        ("2**12000", 2**12000),
    ],
)
def test_values(expression: str, value: float) -> None:
    assert calculator(expression) == pytest.approx(value, rel=1e-14) if isinstance(value, float) else value
    assert type(calculator(expression)) is type(value)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("9**9**9", "too large"),
        ("9^9^9", "too large"),
        ("2**20000", "more than 4,000 digits"),
        ("factorial(10**9)", "too large"),
        ("1e308 * 10", "too large"),
        ("exp(1000)", "too large"),
        ("1 / 0", "divides by zero"),
        ("(-8)**(1/3)", "not a real number"),
        ("[1]", "not a number"),
        ("sum(1, 2)", "cannot be calculated"),
        ("-" * 1_900 + "1", "cannot be calculated"),
    ],
)
def test_what_has_no_value(expression: str, problem: str) -> None:
    with pytest.raises(CalculationError, match=problem) as caught:
        calculator(expression)
    assert len(str(caught.value)) < 300


def test_a_long_product_is_the_right_number() -> None:
    factors = ["9" * 50] * 38
    assert calculator("*".join(factors)) == int("9" * 50) ** 38


def test_the_sandbox_holds_by_itself(sandbox: Sandbox) -> None:
    assert sandbox.evaluate("1 + 1") == 2
    for attack in (
        "__import__('os').system('true')",
        "open('/etc/passwd').read()",
        "().__class__.__bases__[0].__subclasses__()",
        "while True: pass",
        "'a' * 10**9",
        "sum(range(10**9))",
        "(lambda f: f(f))(lambda f: f(f))",
        "(" * 5_000 + "1" + ")" * 5_000,
    ):
        with pytest.raises(CalculationError):
            sandbox.evaluate(attack)
    assert sandbox.evaluate("2 + 2") == 4


def test_one_step_that_cannot_be_interrupted_ends_and_leaves_a_working_sandbox(sandbox: Sandbox) -> None:
    with pytest.raises(CalculationError, match="takes too long"):
        sandbox.evaluate("9999999**99999 * 9999999**99999 * 9999999**99999 // 7777777**99999")
    assert sandbox.evaluate("2 + 2") == 4


def test_printing_goes_nowhere(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    assert sandbox.evaluate("print('x')\n1") == 1
    assert capfd.readouterr() == ("", "")


def test_a_closed_sandbox_starts_again(sandbox: Sandbox) -> None:
    assert sandbox.evaluate("1") == 1
    sandbox.close()
    sandbox.close()
    assert sandbox.evaluate("2") == 2


@pytest.mark.asyncio
async def test_in_a_plan_the_event_loop_goes_on(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    let_go = threading.Event()

    def held(code: str) -> object:
        assert let_go.wait(10), "the event loop never ran while the calculation did"
        return sandbox.evaluate(code)

    monkeypatch.setattr("agentrt.tools.calculation._sandbox.evaluate", held)
    outcomes: dict[str, Outcome] = {}

    async def run() -> None:
        outcomes.update(await Executor([calculator]).run(tasks))

    tasks = [Task(str(n), "calculator", {"expression": f"{n} * 2"}) for n in range(20)]
    tasks.append(Task("bad", "calculator", {"expression": "9**9**9"}))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            let_go.set()
    assert isinstance(outcomes["bad"], Failed)
    finished = [outcomes[str(n)] for n in range(20)]
    assert [each.value for each in finished if isinstance(each, Finished)] == [n * 2 for n in range(20)]
