"""The bootstrap over customers, Holm's correction, and what a level may be."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from crmlib.errors import ParameterError
from crmlib.intervals import bootstrap_interval, holm, require_level


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_holm_agrees_with_statsmodels(size):
    p = np.random.default_rng(size).random(size) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_holm_of_nothing_is_nothing():
    assert holm([]).tolist() == []


def test_bootstrap_of_a_mean_is_its_normal_interval():
    """The mean of n = 2,000 exponentials: mean ± 1.645 s/√n at 90 %, within a few per cent of its width."""
    rng = np.random.default_rng(3)
    values = rng.exponential(5, 2_000)

    def mean(weights):
        return (values @ weights / weights.sum(axis=0))[None, :]

    low, high = bootstrap_interval(mean, len(values), level=0.9, replicates=4_000, rng=rng)
    half = 1.644854 * values.std() / np.sqrt(len(values))
    assert low[0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high[0] == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_weights_draw_each_customer_once_on_average():
    seen = []
    bootstrap_interval(lambda w: seen.append(w) or w[:1], 50, replicates=200, rng=np.random.default_rng(1))
    weights = np.concatenate(seen, axis=1)
    assert weights.shape == (50, 200)
    assert (weights.sum(axis=0) == 50).all()


def test_the_same_seed_gives_the_same_interval():
    ends = [
        bootstrap_interval(lambda w: w[:3], 9, replicates=50, rng=np.random.default_rng(4))[0].tolist()
        for _ in range(2)
    ]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
def test_a_level_outside_zero_to_one_is_refused(level):
    with pytest.raises(ParameterError, match=r"between 0 and 1, such as 0\.95"):
        require_level(level)


def test_no_replicates_are_refused():
    with pytest.raises(ParameterError, match="at least 1"):
        bootstrap_interval(lambda w: w, 3, replicates=0, rng=np.random.default_rng(1))
