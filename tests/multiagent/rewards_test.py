"""The reward: the formula by hand, and each guard."""

import math

import pytest

from multiagent import Readability, Reward, Transcript, Turn, Usage, Weights
from multiagent.errors import RewardError, RewardNotFinite
from multiagent.rewards import Measured

REWARD = Reward(weights=Weights(tokens=0.6, loss=1.0))


def test_the_formula():
    short, long = REWARD.combine([Measured(1.0, 50, loss=2.0), Measured(0.5, 100, loss=4.0)])
    assert short.total == pytest.approx(1.0 - 0.6 * 0.5 + 1.0 / 2.0)
    assert long.total == pytest.approx(0.5 - 0.6 + 1.0 / 4.0)


@pytest.mark.parametrize(
    ("dialogue", "total"),
    [
        (Measured(1.0, 39), 1.0 - 0.6),
        (Measured(1.0, 5000), 1.0 - 0.6),
        (Measured(1.0, 100, loss=2.0, repeats=True), 1.0 - 0.3),
        (Measured(1.0, 100, loss=2.0, speaks_for_other=True), 1.0 - 0.3 + 0.5 - 1.0),
        (Measured(1.0, 100, loss=0.0), 1.0 - 0.3 + 10.0),
    ],
)
def test_guards(dialogue, total):
    assert REWARD.combine([dialogue, Measured(0.0, 200)])[0].total == pytest.approx(
        total if dialogue.tokens <= 200 else 1.0 - 0.6
    )


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(loss):
    with pytest.raises(RewardNotFinite, match="readability loss is"):
        REWARD.combine([Measured(1.0, 50, loss=loss)])
    with pytest.raises(RewardNotFinite, match="task metric is"):
        REWARD.combine([Measured(loss, 50)])


def test_a_negative_loss_is_refused():
    with pytest.raises(RewardError, match="cross-entropy is not negative"):
        REWARD.combine([Measured(1.0, 50, loss=-1.0)])


def test_the_ablations_leave_their_term_out():
    without_tokens = Reward(weights=Weights(tokens=0.0, loss=1.0)).combine([Measured(1.0, 50, loss=2.0)])[0]
    without_loss = Reward(weights=Weights(tokens=0.6, loss=0.0)).combine([Measured(1.0, 50, loss=math.nan)])[0]
    assert without_tokens.total == pytest.approx(1.5)
    assert without_loss.total == pytest.approx(0.4)


@pytest.mark.asyncio
async def test_the_least_readable_turn_counts():
    class ByLength(Readability):
        async def losses(self, texts):
            return [float(len(text)) for text in texts]

    spoken = Transcript("?", tuple(Turn("a", text, usage=Usage(completion=30)) for text in ("xx", "", "xxxx", "x")))
    reward = Reward(readability=ByLength())
    parts = await reward.rate([("a spirit", spoken), (None, Transcript("?"))], "spirit")
    assert parts[0].readability == pytest.approx(1 / 4)
    assert parts[1].readability == 0.0 and parts[1].task == 0.0


@pytest.mark.asyncio
async def test_a_partner_who_confirms_an_answer_does_not_repeat():
    turns = (Turn("a", "Answer: x", "x"), Turn("b", "Answer: x", "x"))
    confirmed, echoed = await Reward().measure(
        [("x", Transcript("?", turns)), ("x", Transcript("?", (Turn("a", "hm"), Turn("b", "hm"))))], "x"
    )
    assert not confirmed.repeats and echoed.repeats
