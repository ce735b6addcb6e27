"""The bootstrap over customers, Holm's correction, and what a level may be."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from crmlib.errors import ParameterError
from crmlib.intervals import accelerations, bootstrap_interval, corrected_interval, holm, require_level


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


def test_the_corrected_interval_is_scipys():
    """BCa of the mean of 40 exponentials from 20,000 replicates each: ends agree within their simulation error."""
    rng = np.random.default_rng(5)
    values = rng.exponential(5, 40)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=rng).confidence_interval
    draws = rng.choice(values, (20_000, 40)).mean(axis=1)[None]
    leave_out = np.array([[np.delete(values, place).mean() for place in range(40)]])
    ours = corrected_interval(np.array([values.mean()]), draws, accelerations(leave_out))
    assert [end[0] for end in ours] == pytest.approx(list(theirs), abs=0.045)
    plain = np.quantile(draws, [0.025, 0.975])
    assert (ours[0][0] + ours[1][0] - plain.sum()) / 2 > 0.05  # the correction is larger than that


def test_accelerations_of_a_mean_are_a_sixth_of_its_skewness_also_by_groups():
    values = np.random.default_rng(2).exponential(5, 20_000)
    deviations = values - values.mean()
    exact = (deviations**3).sum() / 6 / (deviations**2).sum() ** 1.5
    groups = values.reshape(200, 100).sum(axis=1)
    leave_out = (values.sum() - groups) / 19_900
    found = accelerations(np.stack([(values.sum() - values) / 19_999, np.ones(20_000)]))
    assert found.tolist() == pytest.approx([exact, 0])
    assert accelerations(leave_out[None])[0] == pytest.approx(exact, abs=3 * 0.65 / 200)


def test_a_corrected_interval_of_nothing_is_missing_and_of_a_constant_itself():
    draws = np.array([[np.nan, np.nan], [2.0, 2.0], [1.0, np.inf], [1.0, 2.0]])
    low, high = corrected_interval(np.array([1.0, 2.0, 1.0, np.nan]), draws, np.array([0, np.nan, 0.1, 0]))
    np.testing.assert_array_equal(low, [np.nan, 2, 1, np.nan])
    np.testing.assert_array_equal(high, [np.nan, 2, 1, np.nan])


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
