"""Distributions from logits: the fast ways against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from table_models import chi_square

from agentrt.serving.rsd.request import Sampling

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("vocabulary", [7, 1000, 40_000, 40_960, 151_936])
def test_the_largest_entries_are_found_whatever_the_size(vocabulary: int) -> None:
    from agentrt.serving.rsd.logits import draft_support

    logits = torch.randn(2, 3, vocabulary, generator=torch.Generator().manual_seed(vocabulary))
    logits[0, 0, -1] = 50.0
    ids, log_q = draft_support(logits, 32, np.array([0.7, 0.0]))
    values, wanted = logits.topk(min(32, vocabulary), dim=-1)
    assert np.array_equal(ids, wanted.numpy())
    heat = torch.tensor([0.7, 1.0])[:, None, None]
    assert np.allclose(log_q, torch.log_softmax(values.double() / heat, -1).numpy(), atol=1e-5)


def test_equal_and_infinite_logits_are_no_trouble() -> None:
    from agentrt.serving.rsd.logits import draft_support

    flat = torch.zeros(1, 1, 50_000)
    ids, log_q = draft_support(flat, 16, np.ones(1))
    assert len(set(ids.ravel().tolist())) == 16
    assert np.allclose(np.exp(log_q), 1 / 16)
    one = torch.full((1, 1, 50_000), -torch.inf)
    one[..., 123] = 2.0
    ids, log_q = draft_support(one, 16, np.ones(1))
    assert ids.ravel()[0] == 123
    assert log_q.ravel()[0] == 0.0
    assert np.isneginf(log_q.ravel()[1:]).all()
    assert np.isnan(draft_support(torch.full((1, 1, 50_000), torch.nan), 16, np.ones(1))[1]).any()


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.5), Sampling(top_k=4), Sampling(top_p=0.7)])
@pytest.mark.parametrize("vocabulary", [10, 300])
def test_draws_outside_a_set_follow_the_rest_of_the_row(sampling: Sampling, vocabulary: int) -> None:
    from agentrt.serving.rsd.logits import LogitsRows

    logits = torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(1)) * 2
    everything = np.arange(vocabulary)
    p = LogitsRows(logits, sampling).probabilities(0, everything)
    assert p.sum() == pytest.approx(1, abs=1e-6)
    outside = everything[p > 0][:2]
    wanted = np.where(np.isin(everything, outside), 0, p)
    rng = np.random.default_rng(0)
    seen = np.zeros(vocabulary)
    for _ in range(800):
        seen[LogitsRows(logits, sampling).sample_outside(0, outside, rng.random())] += 1
    assert chi_square(seen, wanted / wanted.sum()) > 1e-4


def test_a_wide_nucleus_is_found_beyond_the_first_look() -> None:
    from agentrt.serving.rsd.logits import LogitsRows

    p = LogitsRows(torch.zeros(1, 5000), Sampling(top_p=0.5)).probabilities(0, np.arange(5000))
    assert (p > 0).sum() == 2500


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0), Sampling(top_k=2)])
def test_nothing_outside_falls_back_to_the_most_probable_token(sampling: Sampling) -> None:
    from agentrt.serving.rsd.logits import LogitsRows

    logits = torch.full((1, 300), -torch.inf)
    logits[0, 7], logits[0, 9] = 3.0, 2.0
    assert LogitsRows(logits, sampling).sample_outside(0, np.array([9, 7]), 0.5) == 7
