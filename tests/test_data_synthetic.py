"""The plain population, without a programme, against closed forms and against simulating it order by order."""

from __future__ import annotations

import datetime
import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta, expit

from crmlib import data
from crmlib.errors import ParameterError

# bounds of 4 standard errors: a miss by chance once in 16,000 checks, and the seeds are fixed
SIGMAS = 4


def firm(customers=60_000, seed=11, **options):
    return data.simulate(np.random.default_rng(seed), customers=customers, **{"programme": False} | options)


def days_since_acquisition(tables):
    orders, customers = tables["orders"], tables["customers"]
    acquired = customers.set_index("customer_id")["acquired_at"]
    since = orders["ordered_at"] - orders["customer_id"].map(acquired)
    return since.to_numpy().astype("timedelta64[us]").astype(float) / 86_400e6


def active(tables, start, end):
    since = days_since_acquisition(tables)
    seen = np.zeros(tables.rows["customers"], dtype=bool)
    seen[tables["orders"]["customer_id"].to_numpy()[(since > start) & (since <= end)] - 1] = True
    return seen


@pytest.mark.parametrize(("start", "end"), [(0, 30), (30, 60), (90, 180), (0, 364)])
def test_active_shares_match_truth_and_closed_form(start, end):
    tables = firm()
    old = tables.truth.observed_days >= end
    expected = tables.truth.active_probability(start, end)[old]
    seen = active(tables, start, end)[old]
    error = np.sqrt((expected * (1 - expected)).sum()) / old.sum()
    assert seen.mean() == pytest.approx(expected.mean(), abs=SIGMAS * error)
    population = tables.truth.expected_active_share(start, end)
    assert expected.mean() == pytest.approx(population, abs=SIGMAS * expected.std() / np.sqrt(old.sum()))


def test_active_probability_by_hand():
    """λ = 0.5 a week, p = 0.2, from week 2 to week 4: e^(-0.2) (1 - e^(-1)) = .8187308 × .6321206 = .5175366."""
    import dataclasses

    truth = dataclasses.replace(firm(1).truth, purchase_rate=np.array([0.5]), dropout_probability=np.array([0.2]))
    assert truth.active_probability(14, 28) == pytest.approx([0.5175366], abs=1e-7)
    assert truth.active_probability(14, 14) == pytest.approx([0.0])


def test_active_probability_order_by_order():
    """One customer simulated by the story itself: wait, order, maybe leave."""
    rng = np.random.default_rng(5)
    rate, leave, start, end, runs = 0.5, 0.2, 2.0, 4.0, 40_000
    hits = 0
    for _ in range(runs):
        now = rng.exponential(1 / rate)
        while now <= end:
            if now > start:
                hits += 1
                break
            if rng.random() < leave:
                break
            now += rng.exponential(1 / rate)
    expected = np.exp(-rate * leave * start) * (1 - np.exp(-rate * (end - start)))
    assert hits / runs == pytest.approx(expected, abs=SIGMAS * np.sqrt(expected * (1 - expected) / runs))


def test_closed_form_by_monte_carlo_over_the_parameters():
    truth = firm(1).truth
    known, rng = truth.parameters, np.random.default_rng(6)
    rate, leave = rng.gamma(known.r, 1 / known.alpha, 400_000), rng.beta(known.a, known.b, 400_000)
    values = np.exp(-rate * leave * 5) * (1 - np.exp(-rate * 3))
    assert truth.expected_active_share(35, 56) == pytest.approx(values.mean(), abs=SIGMAS * values.std() / 400_000**0.5)


def test_closed_form_at_zero_is_the_gamma_mixture():
    """From acquisition on, p plays no part: 1 - (α/(α + t))^r, with the published values of CDNOW at t = 39."""
    share = firm(1, alpha=4.414, r=0.243).truth.expected_active_share(0, 39 * 7)
    # P(X(39) = 0) = .5737864 with the rounded parameters printed by Fader, Hardie & Lee 2005
    assert 1 - share == pytest.approx(0.5737864, abs=2e-5)


@pytest.mark.parametrize("options", [{}, {"a": 0.1, "b": 0.3}, {"alpha": 0.1, "r": 3.0}])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_population_probability_agrees_with_adaptive_quadrature(options, factor):
    truth = firm(1, **options).truth
    start, end = (
        np.array([[0.0, 30.0, 300.0], [3650.0, 0.0, 7000.0]]),
        np.array([[30.0, 60.0, 330.0], [3700, 7300, 7300]]),
    )
    found = truth.population_active_probability(start, end, factor)
    assert found.shape == (2, 3)
    known = truth.parameters

    def share(logit, start, end):  # over u = log(p / (1 - p)), where both ends are smooth
        p = expit(logit)
        left = known.alpha + p * start / 7
        right = left + factor * (end - start) / 7
        density = p**known.a * expit(-logit) ** known.b / beta(known.a, known.b)
        return density * ((known.alpha / left) ** known.r - (known.alpha / right) ** known.r)

    edges = np.linspace(-400, 200, 121)
    one_by_one = [
        sum(quad(share, *piece, args=interval, epsabs=1e-13)[0] for piece in itertools.pairwise(edges))
        for interval in zip(start.flat, end.flat, strict=True)
    ]
    assert found.ravel() == pytest.approx(one_by_one, abs=1e-9)


def test_population_probability_takes_any_shape_and_no_other_interval():
    truth = firm(1).truth
    assert truth.population_active_probability(7, 7) == 0
    assert truth.population_active_probability(0, np.zeros((0, 4))).shape == (0, 4)
    assert truth.population_active_probability(0, [7, 14], [[1.0], [2.0], [3.0]]).shape == (3, 2)
    with pytest.raises(ParameterError, match="0 ≤ start ≤ end"):
        truth.population_active_probability(10, 5)
    with pytest.raises(ParameterError, match="cohort_factor is not positive"):
        truth.population_active_probability(0, 5, 0.0)


def test_repeat_orders_match_the_published_expectation():
    """E[X(t)] of a random customer: 1.8576 at 78 weeks (Fader, Hardie & Lee 2005, note; exact 1.8579)."""
    tables = firm(months=24, as_of="2025-12-31", seed=12)
    since, t = days_since_acquisition(tables), 78 * 7
    old = tables.truth.observed_days >= t
    who = tables["orders"]["customer_id"].to_numpy() - 1
    counts = np.bincount(who[(since > 0) & (since <= t)], minlength=len(old))[old]
    assert counts.mean() == pytest.approx(1.8579, abs=SIGMAS * counts.std() / np.sqrt(len(counts)))


def test_orders_end_with_the_drop_out():
    tables = firm(5_000)
    truth, since = tables.truth, days_since_acquisition(tables)
    who = tables["orders"]["customer_id"].to_numpy() - 1
    last = np.zeros(5_000)
    np.maximum.at(last, who, since)
    gone = truth.dropout_days < truth.observed_days
    assert last[gone] == pytest.approx(truth.dropout_days[gone], abs=1e-9)
    assert (last <= truth.observed_days).all()


def test_spend_matches_its_mean():
    """E(Z) = p γ / (q - 1) = 6.25 × 15.44 / 2.74 = 35.219; over first orders, one a customer, independent."""
    tables = firm()
    first = tables["orders"].drop_duplicates("customer_id")["amount"]
    assert first.mean() == pytest.approx(35.219, abs=SIGMAS * first.std() / np.sqrt(len(first)))
    assert np.allclose(tables["orders"]["amount"] * 100, np.round(tables["orders"]["amount"] * 100))


@pytest.mark.parametrize("trend", [2.0, 0.5])
def test_trend_makes_the_last_cohort_better_by_the_stated_factor(trend):
    tables = firm(trend=trend)
    month = tables["customers"]["acquired_at"].dt.to_period("M")
    truth = tables.truth
    first, last = (month == month.min()).to_numpy(), (month == month.max()).to_numpy()
    assert truth.cohort_factor[last].mean() / truth.cohort_factor[first].mean() == pytest.approx(trend)
    assert min(truth.cohort_factor[first].min(), truth.cohort_factor[last].min()) == 1.0
    assert truth.dropout_probability.max() <= 1
    shares = [truth.expected_active_share(90, 180, cohort_factor=truth.cohort_factor[c][0]) for c in (first, last)]
    assert (shares[1] > shares[0]) == (trend > 1)
    expected = truth.active_probability(90, 180)
    for cohort, share in zip((first, last), shares, strict=True):
        assert expected[cohort].mean() == pytest.approx(
            share, abs=SIGMAS * expected[cohort].std() / cohort.sum() ** 0.5
        )
    old = truth.observed_days >= 180
    seen = active(tables, 90, 180)
    error = np.sqrt((expected * (1 - expected))[old].sum()) / old.sum()
    assert seen[old].mean() == pytest.approx(expected[old].mean(), abs=SIGMAS * error)


def test_same_seed_same_tables_and_other_seed_others():
    one, two, other = firm(500), firm(500), firm(500, seed=12)
    for name in one:
        assert one[name].equals(two[name])
    assert not one["orders"].equals(other["orders"])
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert firm(500, r=0.3).fingerprint != one.fingerprint


def test_global_random_state_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    firm(100)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_months_are_filled_up_to_the_last_day():
    tables = firm(20_000, months=3, as_of="2024-02-29")
    acquired = tables["customers"]["acquired_at"]
    assert acquired.min().date() == datetime.date(2023, 12, 1)
    assert acquired.max().date() == tables.as_of == datetime.date(2024, 2, 29)
    assert tables["orders"]["ordered_at"].max() < datetime.datetime(2024, 3, 1)


def test_one_customer_is_a_firm():
    tables = firm(1)
    assert tables.rows["customers"] == 1
    assert not data.contract_report(tables).faults


def test_truth_cannot_be_changed():
    truth = firm(10).truth
    with pytest.raises(AttributeError):
        truth.purchase_rate = None
    with pytest.raises(ValueError, match="read-only"):
        truth.purchase_rate[0] = 1


@pytest.mark.parametrize(
    "options",
    [
        {"customers": 0},
        {"customers": 2.5},
        {"months": 0},
        {"months": True},
        {"r": 0},
        {"alpha": -1},
        {"a": np.nan},
        {"b": np.inf},
        {"spend_q": 1.0},
        {"trend": 0},
        {"as_of": ""},
        {"as_of": "tomorrow"},
        {"engine": "spark"},
        {"prospects_per_customer": 0.5},
        {"prospects_per_customer": np.nan},
        {"channels_off": ("direct",)},
        {"channels_off": ("television",)},
        {"programme": 1},
        {"programme_effect": 0.0},
        {"programme_effect": 0.9, "programme_growth": 0.1},
        {"programme_growth": -1.0},
        {"programme_growth": 1.0, "months": 48},
        {"self_selection": -0.1},
        {"parallel_trends": "yes"},
        {"seasonality": -1},
        {"intent_value": -0.1},
        {"tables": ("order_lines",)},
        {"tables": ()},
    ],
)
def test_parameters_out_of_range_are_refused(options):
    with pytest.raises(ParameterError, match=r"give|use one of"):
        data.simulate(np.random.default_rng(1), **options)


def test_reversed_interval_is_refused():
    with pytest.raises(ParameterError, match="0 ≤ start ≤ end"):
        firm(5).truth.active_probability(10, 5)


def test_named_firm_is_the_documented_seed():
    from crmlib.data.synthetic import SEED

    tables = data.load("simulated")
    same = data.simulate(np.random.default_rng(SEED))
    assert tables["orders"].equals(same["orders"])
    assert tables.fingerprint == same.fingerprint == data.fingerprint("simulated")
    assert tables.simulated
