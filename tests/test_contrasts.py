"""Each lesson at parameters far from its own: the findings change, and what they say stays true.

The truth of the main numbers is computed here by another route: plain pandas on the same tables.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmlib import data
from crmlib.frames import to_pandas
from crmlib.runner import execution, notebooks, parameters, preparation, run, values

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.data

#: Parameters of the second run, by lesson.
CONTRASTS = {
    "01_attribution": {
        "source": "simulated",
        "engine": "polars",
        "as_of": "2025-06-30",
        "seed": 3,
        "rule": "linear",
        "order": 2,
        "half_life": 3.0,
        "worth": 1.5,
        "cut": 0.6,
        "level": 0.8,
    },
    "02_cohorts": {
        "source": "cdnow_sample",
        "engine": "polars",
        "as_of": "1998-01-15",
        "period": "quarter",
        "compare_age": 2,
        "horizon": 2,
        "days_to_return": 30,
        "margin_rate": 0.8,
        "level": 0.8,
    },
}
CONTRASTS["03_loyalty"] = {
    "source": "ta_feng",
    "engine": "polars",
    "as_of": "2001-02-20",
    "seed": 3,
    "days": 91,
    "measure": "order_days",
    "newcomers": "cdnow_sample",
    "repeat_days": 91,
    "margin_rate": 0.6,
    "level": 0.8,
}
CONTRASTS["04_profitability"] = {
    "engine": "duckdb",
    "as_of": "2001-02-14",
    "judge_from": "2000-12-20",
    "cost_per_order": 120.0,
    "cost_per_line": 0.0,
    "avoidable_share": 0.9,
    "fixed_cost_a_day": 15000.0,
    "price_rise": 0.02,
    "minimum_order": 0.4,
    "channel_saving": 0.3,
    "leaving_share": 0.05,
    "best_share": 0.2,
    "level": 0.9,
}
CONTRASTS["05_rfm"] = {
    "source": "cdnow_sample",
    "engine": "polars",
    "as_of": "1998-03-31",
    "seed": 3,
    "holdout_days": 90,
    "bins": 3,
    "depth": 0.1,
    "discount_rate": 0.3,
    "horizon_years": 1.0,
    "level": 0.8,
}

CONTRASTS["06_clv"] = {
    "source": "cdnow_sample",
    "engine": "polars",
    "as_of": "1998-05-31",
    "seed": 3,
    "model": "Pareto/NBD",
    "holdout_days": 180,
    "margin_rate": 0.8,
    "discount_rate": 0.2,
    "horizon_years": 1.0,
    "best_share": 0.1,
    "saved_share": 0.5,
    "level": 0.8,
}
CONTRASTS["15_contracts"] = {
    "source": "subscribers",
    "engine": "duckdb",
    "as_of": "2025-06-15",
    "seed": 3,
    "covariates": "monthly_charge",
    "months": 6,
    "cohort": "high_end",
    "calibration": 4,
    "lag": 3,
    "payment": 40.0,
    "points": 0.02,
    "discount_rate": 0.2,
    "spend_to_win": 200.0,
    "spend_to_keep": 30.0,
    "level": 0.8,
}
CONTRASTS["16_budget"] = {
    "engine": "polars",
    "as_of": "2025-09-30",
    "seed": 3,
    "rule": "linear",
    "period_days": 60,
    "ages": 4,
    "margin_rate": 0.4,
    "discount_rate": 0.0,
    "budget_factor": 0.5,
    "level": 0.8,
}
CONTRASTS["17_satisfaction"] = {
    "as_of": "2025-08-31",
    "seed": 3,
    "customers": 3_000,
    "days": 30,
    "level": 0.8,
}

CONTRASTS["18_rewards"] = {
    "source": "complete_journey",
    "engine": "polars",
    "as_of": "2017-09-30",
    "seed": 3,
    "category": "YOGURT",
    "threshold": 6,
    "acceleration": 1.0,
    "purchase_margin": 1.0,
    "reward_cost": 4.0,
    "months": 3,
    "level": 0.8,
}
CONTRASTS["20_referral"] = {
    "engine": "polars",
    "as_of": "2025-09-30",
    "seed": 3,
    "days": 90,
    "first_days": 120,
    "quiet_days": 60,
    "reward": 5.0,
    "arm": "",
    "anyway_share": 0.5,
    "level": 0.8,
}

CONTRASTS["21_paths"] = {
    "source": "simulated",
    "engine": "duckdb",
    "as_of": "2025-03-31",
    "seed": 3,
    "most_paths": 5,
    "longest": 6,
    "level": 0.8,
}

CONTRASTS["19_wallet"] = {
    "source": "complete_journey",
    "engine": "duckdb",
    "as_of": "2017-11-30",
    "seed": 3,
    "category": "SOFT DRINKS",
    "ours": "69",
    "largest": 4,
    "panel": "yogurt",
    "half_days": 90,
    "level": 0.8,
}


@functools.cache
def committed(stem):
    """Findings of the notebook as committed, by key."""
    return {finding.key: finding for finding in run.stored_findings(notebooks.read(lesson(stem)))}


def lesson(stem):
    return ROOT / "notebooks" / f"{stem}.ipynb"


@pytest.fixture(scope="module")
def contrasted(tmp_path_factory):
    """Findings of a lesson run at its contrasting parameters, by key; each is run once."""

    @functools.cache
    def findings(stem):
        declared = parameters.declared(lesson(stem))
        assignments = values.assignments(values.checked(declared, CONTRASTS[stem]))
        notebook = preparation.prepared(notebooks.read(lesson(stem)), assignments)
        output = tmp_path_factory.mktemp(stem) / "notebook.ipynb"
        account = execution.execute(notebook, root=ROOT, output=output, cell_timeout=120, run_timeout=280)
        assert account.outcome == "good", account.message
        return {finding.key: finding for finding in run.stored_findings(notebook)}

    return findings


def test_every_lesson_has_a_contrast():
    stems = {path.stem for path in notebooks.notebook_paths(root=ROOT)} - {"_template"}
    assert stems == set(CONTRASTS)


@pytest.mark.parametrize("stem", CONTRASTS)
def test_findings_change(contrasted, stem):
    before, after = ([finding.sentence for finding in found.values()] for found in (committed(stem), contrasted(stem)))
    assert after[0] != before[0]
    assert len(set(after) - set(before)) >= len(after) / 2


@pytest.mark.parametrize("stem", CONTRASTS)
def test_sentences_agree_with_their_numbers(contrasted, stem):
    """A difference that is told apart has its sign in words, and an interval holds its estimate."""
    for finding in [*committed(stem).values(), *contrasted(stem).values()]:
        if isinstance(finding.value, float) and finding.low is not None:
            assert finding.low <= finding.value <= finding.high, finding
        for told in re.findall(r"\(([\d.]+) % interval", finding.sentence):
            assert float(told) == pytest.approx(100 * finding.level), finding
        shown = re.search(r"(?<![\d.])([\d.]+) %", finding.sentence)
        if finding.unit == "share" and shown and "points" not in finding.sentence:
            told = [float(number) / 100 for number in re.findall(r"(?<![\d.])(\d+(?:\.\d+)?) %", finding.sentence)]
            assert any(abs(number - finding.value) <= 0.0051 for number in told), finding


def test_cohorts_at_the_contrast_are_what_pandas_counts(contrasted):
    options, found = CONTRASTS["02_cohorts"], contrasted("02_cohorts")
    orders = to_pandas(data.load(options["source"])["orders"])
    orders = orders[orders["ordered_at"] < pd.Timestamp(options["as_of"]) + pd.Timedelta(days=1)]
    number = orders["ordered_at"].dt.to_period("Q")
    first = number.groupby(orders["customer_id"]).transform("min")
    due = orders[first + options["compare_age"] < pd.Period("1998Q1")]  # the quarter of 15 January had not ended
    ages = (number - first).map(lambda step: step.n)[due.index]
    back = due.loc[ages.between(1, options["compare_age"]), "customer_id"].nunique()
    assert found["returned_by_quarter_2"].value == pytest.approx(back / due["customer_id"].nunique(), rel=1e-4)

    spent = due.loc[ages <= options["horizon"], "amount"].sum() / due["customer_id"].nunique()
    assert found["revenue_per_customer_quarter_2"].value == pytest.approx(spent, rel=1e-4)
    assert found["acquisition_cost_ceiling_quarter_2"].value == pytest.approx(0.8 * spent, rel=1e-4)
    assert "only one cohort" in found["returned_by_quarter_2"].sentence


def test_attribution_at_the_contrast_is_what_pandas_counts(contrasted):
    options, found = CONTRASTS["01_attribution"], contrasted("01_attribution")
    firm = data.simulate(np.random.default_rng(options["seed"]), customers=20_000, tables=("touches", "outcomes"))
    last = firm["touches"].sort_values(["journey_id", "position"]).groupby("journey_id")["channel"].last()
    won = firm["outcomes"].set_index("journey_id")["conversions"]
    credited = last[won[won > 0].index].value_counts()
    added = firm.truth.channel_increments().set_index("channel")
    assert found["overpaid_by_last_touch"].value == credited["pay per click"] - added.loc["pay per click", "increment"]
    price = added.loc["pay per click", "cost"] / added.loc["pay per click", "increment"]
    assert found["cost_per_customer"].value == pytest.approx(price, rel=1e-4)

    touches, outcomes = (data.load("simulated")[name] for name in ("touches", "outcomes"))
    late = touches.loc[touches["touched_at"] >= "2025-07-01", "journey_id"]
    ends = outcomes[~outcomes["journey_id"].isin(late) & ~(outcomes["converted_at"] >= "2025-07-01")]
    part = touches[touches["journey_id"].isin(ends.loc[ends["conversions"] > 0, "journey_id"])]
    share = (1 / part.groupby("journey_id")["channel"].transform("size")).groupby(part["channel"]).sum()
    assert found["largest_share_linear"].value == pytest.approx(share.max() / share.sum(), rel=1e-4)
    assert f"linear gives {share.idxmax()} the largest share" in found["largest_share_linear"].sentence


def test_profitability_at_the_contrast_is_what_pandas_adds_up(contrasted):
    options, found = CONTRASTS["04_profitability"], contrasted("04_profitability")
    orders = to_pandas(data.load("ta_feng")["orders"])
    orders = orders[orders["ordered_at"] < pd.Timestamp(options["as_of"]) + pd.Timedelta(days=1)]
    avoidable = options["avoidable_share"] * options["cost_per_order"]
    orders["margin"] = orders["amount"] - orders["cost"] - avoidable
    later = orders["ordered_at"] >= pd.Timestamp(options["judge_from"])
    first, second = (part.groupby("customer_id")["margin"].sum() for part in (orders[~later], orders[later]))
    losers = first.index[first < 0]
    gain = -second.reindex(losers).fillna(0).sum()
    finding = found["gain_from_letting_go"]
    assert finding.value == pytest.approx(gain, rel=1e-4)
    said = (
        "would have saved" if finding.low > 0 else "Do not let them go" if finding.high < 0 else "cannot be told apart"
    )
    assert said in finding.sentence
    assert f"the {len(losers):,} customers" in finding.sentence
    whole = orders.groupby("customer_id")["margin"].sum()
    assert found["unprofitable_share"].value == pytest.approx((whole < 0).mean(), rel=1e-4)
    # The levers: of who is touched 95 % stay with the change, 5 % take their contribution along.
    revenue, count = orders[later].groupby("customer_id")["amount"].agg(["sum", "size"]).T.to_numpy()
    bought = pd.DataFrame({"margin": second, "price": 0.02 * revenue, "channel": 0.3 * avoidable * count})
    minimum = 0.4 * orders[~later]["amount"].mean()
    small = orders[orders["amount"] < minimum].groupby([later, "customer_id"])["amount"].agg(["sum", "size"])
    left = np.minimum(small.loc[True, "size"], np.maximum(1, small.loc[True, "sum"] // minimum))
    bought["order"] = avoidable * (small.loc[True, "size"] - left)
    touched = {"price": first.index, "channel": losers, "order": small.loc[False].index}
    gains = [gain]
    for change, who in touched.items():
        sums = bought.reindex(who).fillna(0).sum()
        gains.append(0.95 * sums[change] - 0.05 * sums["margin"])
    assert found["best_lever_gain"].value == pytest.approx(max(gains), rel=1e-4)
    seen = second.index.intersection(losers)
    assert found["negative_again_share"].value == pytest.approx((second[seen] < 0).mean(), rel=1e-4)


def test_loyalty_at_the_contrast_is_what_pandas_counts(contrasted):
    options, found = CONTRASTS["03_loyalty"], contrasted("03_loyalty")
    tables = data.load(options["source"])
    orders = to_pandas(tables["orders"])
    day = orders["ordered_at"].dt.normalize()
    inside = orders[day < day.min() + pd.Timedelta(days=options["days"])]
    bought = inside.groupby("customer_id")["ordered_at"].agg(lambda instants: instants.dt.normalize().nunique())
    largest = int(np.ceil(0.2 * len(tables["customers"])))
    held = bought.nlargest(largest).sum() / bought.sum()
    assert found["top_20_percent_share"].value == pytest.approx(held, rel=1e-4)
    assert "of order days in 91 days, short of the 80 %" in found["top_20_percent_share"].sentence

    firm = data.simulate(np.random.default_rng(3), customers=60_000, tables=("customers", "orders", "memberships"))
    people = firm["customers"].query("account")["customer_id"]
    month = firm["orders"]["ordered_at"].dt.to_period("M")
    spent = firm["orders"].groupby(["customer_id", month])["amount"].sum().unstack(fill_value=0.0)
    spent = spent.loc[:, "2025-01":].reindex(people, fill_value=0.0)
    spent = 30 * spent / spent.columns.days_in_month.to_numpy()
    joined = firm["memberships"].set_index("customer_id")["joined_at"].dt.to_period("M").reindex(people)
    total, weight = 0.0, 0
    for cohort in joined.dropna().unique():
        change = spent.sub(spent[cohort - 1], axis=0).loc[:, cohort + 1 :]
        total += (change[joined == cohort].mean() - change[joined.isna()].mean()).sum() * (joined == cohort).sum()
        weight += (joined == cohort).sum() * change.shape[1]
    finding = found["programme_effect_per_30_days"]
    assert finding.value == pytest.approx(total / weight, rel=1e-4)
    assert found["membership_cost_ceiling_per_30_days"].value == pytest.approx(0.6 * total / weight, rel=1e-4)
    told = found["top_20_percent_share"].sentence
    assert ("cannot be told apart from zero" in told) == (finding.low <= 0 <= finding.high)


def test_selection_at_the_contrast_is_what_pandas_counts(contrasted):
    options, found = CONTRASTS["05_rfm"], contrasted("05_rfm")
    orders = to_pandas(data.load(options["source"])["orders"])
    day, last = orders["ordered_at"].dt.normalize(), pd.Timestamp(options["as_of"])
    cut = last - pd.Timedelta(days=options["holdout_days"])
    before = orders[day <= cut].assign(day=day)
    people = before.groupby("customer_id").agg(last=("day", "max"), days=("day", "nunique"), amount=("amount", "sum"))
    later = orders[(day > cut) & (day <= last)].groupby("customer_id")["amount"].sum()
    people["later"] = later.reindex(people.index, fill_value=0.0)
    ranks = people[["last", "days"]].join(people["amount"].round(6)).rank(method="average")
    people["score"] = np.ceil((3 * (ranks - 0.5) / len(people)).round(9)).sum(axis=1)

    def captured(column):
        """Customers of equal score each bring in the mean of their group."""
        each = people.assign(y=people.groupby(column)["later"].transform("mean")).sort_values(column, ascending=False)
        sums = np.concatenate([[0], each["y"].cumsum()])
        return np.interp(options["depth"] * len(each), np.arange(len(sums)), sums) / people["later"].sum()

    assert found["captured_by_rfm"].value == pytest.approx(captured("score"), rel=1e-4)
    assert f"past spend alone ({100 * captured('amount'):.1f} %)" in found["captured_by_rfm"].sentence
    known = orders[orders["customer_id"].isin(people.index)]
    assert known[(day > cut) & (day <= last)]["amount"].sum() == pytest.approx(people["later"].sum())
    assert f"USD {people['later'].sum():,.0f} that came" in found["chain_forecast_error"].sentence


def test_value_at_the_contrast_is_what_closed_forms_and_scipy_give(contrasted):
    """Pareto/NBD and gamma-gamma by the formulas of Fader & Hardie's notes and a search without derivatives."""
    options, found = CONTRASTS["06_clv"], contrasted("06_clv")
    orders = to_pandas(data.load("cdnow_sample")["orders"])
    end = pd.Timestamp(options["as_of"])
    orders["day"] = orders["ordered_at"].dt.normalize()
    days = orders[orders["day"] <= end].groupby(["customer_id", "day"])["amount"].sum().reset_index()
    first = days.groupby("customer_id")["day"].transform("min")
    again = days[days["day"] > first].groupby("customer_id")["amount"]
    history = pd.DataFrame({"first": days.groupby("customer_id")["day"].min()})
    history["x"] = again.size().reindex(history.index, fill_value=0)
    history["z"] = again.mean().reindex(history.index, fill_value=0.0)
    last = days.groupby("customer_id")["day"].max()
    weeks = [(part - history["first"]).dt.days.to_numpy() / 7 for part in (last, pd.Series(end, last.index))]
    x, z = history["x"].to_numpy(float), history["z"].to_numpy()
    value = closed_form_value(x, *weeks, z, np.log1p(0.2) * 7 / 365.25, 365.25 / 7)
    finding = found["base_value"]
    assert finding.value == pytest.approx(0.8 * value.sum(), rel=5e-4)
    best = np.sort(value)[::-1][: int(np.ceil(0.1 * len(value)))]
    assert f"the best 10 %, who hold {100 * best.sum() / value.sum():.1f} % of the value" in finding.sentence
    paid = re.search(r"pay at most USD ([\d.]+)", finding.sentence)
    assert float(paid[1]) == pytest.approx(0.5 * 0.8 * best.mean(), rel=1e-3)

    cut = end - pd.Timedelta(days=180)
    late = orders[(orders["day"] > cut) & (orders["day"] <= end)].groupby(["customer_id", "day"]).ngroups
    assert (
        f"Of {late:,} purchases in the 180 days held out Pareto/NBD expected" in found["holdout_total_error"].sentence
    )


def closed_form_value(x, last, age, z, rate, horizon):
    """Discounted revenue to come by Pareto/NBD and gamma-gamma, fitted by Nelder and Mead's search."""
    from scipy.optimize import minimize
    from scipy.special import betaln, gammaln, hyp2f1

    def likelihood(free):
        r, alpha, s, beta = np.exp(free)
        more, base = (s + 1, max(alpha, beta)) if alpha >= beta else (r + x, max(alpha, beta))
        parts = [
            hyp2f1(r + s + x, more, r + s + x + 1, abs(alpha - beta) / (base + t)) / (base + t) ** (r + s + x)
            for t in (last, age)
        ]
        alive = (alpha + age) ** -(r + x) * (beta + age) ** -s
        both = alive + s / (r + s + x) * (parts[0] - parts[1])
        return gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(both), alive / both

    def spend_likelihood(free):
        p, q, gamma = np.exp(free)
        k, m = x[x > 0], z[x > 0]
        inside = q * np.log(gamma) + (p * k - 1) * np.log(m) + p * k * np.log(k) - (p * k + q) * np.log(gamma + k * m)
        return inside - betaln(p * k, q)

    search = {"method": "Nelder-Mead", "options": {"xatol": 1e-6, "fatol": 1e-7, "maxiter": 4000}}
    free = minimize(lambda at: -likelihood(at)[0].sum(), np.log([0.56, 12.5, 0.4, 10.5]), **search).x
    r, alpha, s, beta = np.exp(free)
    p, q, gamma = np.exp(minimize(lambda at: -spend_likelihood(at).sum(), np.log([6, 4, 15]), **search).x)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    times = horizon * (nodes + 1) / 2
    fading = np.exp(-rate * times) * ((beta + age[:, None]) / (beta + age[:, None] + times)) ** s
    orders = likelihood(free)[1] * (r + x) / (alpha + age) * (fading @ weights) * horizon / 2
    return orders * p * (gamma + x * z) / (p * x + q - 1)


def test_satisfaction_at_the_contrast_is_what_pandas_counts(contrasted):
    from crmlib import satisfaction

    options, found = CONTRASTS["17_satisfaction"], contrasted("17_satisfaction")
    survey = satisfaction.simulated_survey(np.random.default_rng(options["seed"]), customers=options["customers"])
    table = survey.cases.dropna(subset="satisfaction").merge(survey.orders, on="customer_id", how="left")
    month = pd.Timedelta(days=options["days"])
    table = table[table["resolved_at"] + month <= pd.Timestamp("2025-09-01")]
    back = (table["ordered_at"] - table["resolved_at"] <= month).groupby(table["satisfaction"]).mean()
    finding = found["very_satisfied_minus_satisfied_return"]
    assert finding.value == pytest.approx(back[5] - back[4], rel=1e-4)
    assert ("to be satisfied is not enough" in finding.sentence) == (finding.low > 0)
    assert found["very_satisfied_share"].value == pytest.approx((table["satisfaction"] == 5).mean(), rel=1e-4)


def test_contracts_at_the_contrast_are_what_pandas_counts(contrasted):
    options, found = CONTRASTS["15_contracts"], contrasted("15_contracts")
    firm = data.load("subscribers")
    table, by = firm["subscriptions"], {}
    for plan, own in table.groupby("contract", observed=True):
        months = range(1, options["months"] + 1)
        ended = [(own["left"] & (own["tenure_months"] == month)).sum() for month in months]
        by[plan] = np.prod(
            [1 - d / (own["tenure_months"] >= month).sum() for d, month in zip(ended, months, strict=True)]
        )
    most, least = min(by, key=by.get), max(by, key=by.get)
    told = found["point_of_retention"].sentence
    assert f"By month 6 '{most}' has lost most, {100 * (1 - by[most]):.1f} %" in told
    assert f"'{least}' least, {100 * (1 - by[least]):.1f} %" in told

    from scipy.stats import beta as beta_distribution

    from crmlib.models import ShiftedBetaGeometric

    # the mean over customers of the raised chances, by quadrature over the fitted beta distribution
    alpha, beta = ShiftedBetaGeometric.from_survivors([1000, 869, 743, 653, 593]).fit().params
    grid = beta_distribution(alpha, beta).ppf((np.arange(1_000_000) + 0.5) / 1_000_000)
    value = lambda leaving: 40 * (1 - leaving) * 1.2 / (leaving + 0.2)  # noqa: E731
    gain = (value((grid - 0.02).clip(0)) - value(grid)).mean()
    assert found["point_of_retention"].value == pytest.approx(gain, rel=1e-4)

    orders = firm["orders"]
    month = orders["ordered_at"].dt.to_period("M")
    paid = orders["amount"].groupby([orders["customer_id"], month]).sum().unstack(fill_value=0.0)
    base = paid[paid["2025-02"] > 0]  # on 15 June the last whole month is May, and three before it February
    kept = base["2025-05"].sum() / base["2025-02"].sum()
    assert found["net_revenue_retention"].value == pytest.approx(kept, rel=1e-4)
    assert "does not pay" in found["best_retention_spend"].sentence
    assert "less should go into keeping" in found["best_retention_spend"].sentence


def test_budget_at_the_contrast_is_what_pandas_counts(contrasted):
    """Linear credit times the margin of 240 days over the cost; ages of 60 days that ended by the last day."""
    options, found = CONTRASTS["16_budget"], contrasted("16_budget")
    tables = data.load("simulated")
    end = pd.Timestamp(options["as_of"]) + pd.Timedelta(days=1)
    touches, outcomes = tables["touches"], tables["outcomes"]
    late = set(touches.loc[touches["touched_at"] >= end, "journey_id"])
    late |= set(outcomes.loc[outcomes["converted_at"] >= end, "journey_id"])
    touches = touches[~touches["journey_id"].isin(late)]
    won = touches[touches["journey_id"].isin(outcomes.loc[outcomes["conversions"] > 0, "journey_id"])]
    part = 1 / won.groupby("journey_id")["channel"].transform("size")
    credit, cost = (
        part.groupby(won["channel"].astype(str)).sum(),
        touches.groupby(touches["channel"].astype(str))["cost"].sum(),
    )
    customers = tables["customers"].assign(day=tables["customers"]["acquired_at"].dt.normalize())
    orders = tables["orders"].merge(customers[["customer_id", "day", "channel"]])
    orders["age"] = (orders["ordered_at"].dt.normalize() - orders["day"]).dt.days // 60
    back = {}
    for channel in cost.index[cost > 0]:
        total = 0.0
        for age in range(options["ages"]):
            whole = customers["day"] + pd.Timedelta(days=60 * (age + 1)) <= end
            seen = customers.loc[whole & (customers["channel"] == channel), "customer_id"]
            spent = orders.loc[(orders["age"] == age) & orders["customer_id"].isin(seen), "amount"].sum()
            total += options["margin_rate"] * spent / len(seen) if len(seen) >= 30 else np.nan
        back[channel] = credit[channel] * total / cost[channel]
    least = pd.Series(back).dropna()
    assert found["least_return"].value == pytest.approx(least.min(), rel=1e-4)
    assert f"{least.idxmin()} brings back least" in found["least_return"].sentence


def test_confounded_curves_at_the_contrast_are_what_another_fit_finds(contrasted):
    from scipy.optimize import curve_fit

    from crmlib.data.synthetic.spend import weekly_spend

    options, found = CONTRASTS["16_budget"], contrasted("16_budget")
    weeks, truth = weekly_spend(np.random.default_rng(options["seed"]), price=0.3, confounded=True)
    spend = weeks[list(truth.channels)].to_numpy()

    def carried(carry):
        rows = [spend.mean(axis=0)]
        for row in spend:
            rows.append((1 - carry) * row + carry * rows[-1])
        return np.array(rows[1:])

    def customers(_, base, *rest):
        effect, scale, carry = np.reshape(rest, (3, 3))
        return base + (effect * (1 - np.exp(-carried(carry) / scale))).sum(axis=1)

    largest = spend.max(axis=0)
    bounds = ([0] * 4 + list(0.05 * largest) + [0] * 3, [np.inf] * 4 + list(5 * largest) + [0.9] * 3)
    start = [weeks["customers"].mean() / 2, *[60] * 3, *spend.mean(axis=0), *[0.3] * 3]
    fit, _ = curve_fit(customers, None, weeks["customers"], p0=start, bounds=bounds, x_scale=np.array(start))
    effect, scale, carry = np.reshape(fit[1:], (3, 3))
    half, again = 0.5 * spend.mean(axis=0), np.minimum(1.5 * spend.mean(axis=0), carried(carry).max(axis=0))

    def more(effect, scale):
        return (effect * (np.exp(-half / scale) - np.exp(-again / scale))).sum()

    assert found["confounded_excess"].value == pytest.approx(
        more(effect, scale) - more(truth.effect, truth.scale), rel=0.01
    )


def test_rewards_at_the_contrast_are_what_pandas_counts(contrasted):
    """Pooled pace, the card's net at the reported acceleration, and repeats by size, shuffled and observed."""
    from crmlib import rewards

    options, found = CONTRASTS["18_rewards"], contrasted("18_rewards")
    card = {"acceleration": options["acceleration"], "threshold": options["threshold"], "seasonality": 1.0}
    orders, _ = rewards.simulated_cards(np.random.default_rng(options["seed"]), **card)
    orders = orders.sort_values(["customer_id", "ordered_at"], ignore_index=True)
    group = orders.groupby("customer_id")["ordered_at"]
    start, end = pd.Timestamp("2025-01-01"), pd.Timestamp("2026-01-01")
    last, counted = end - group.max(), group.cumcount() % options["threshold"]
    days = group.diff().fillna(orders["ordered_at"] - start).dt.total_seconds()
    unfinished = pd.DataFrame({"k": group.size() % options["threshold"], "days": last.dt.total_seconds()})
    never = 2_000 - orders["customer_id"].nunique()
    spent = days.groupby(counted).sum() + unfinished.groupby("k")["days"].sum()
    spent[0] += never * (end - start).total_seconds()
    pace = counted.value_counts() / spent
    assert found["pooled_acceleration"].value == pytest.approx(pace[5] / pace[0], rel=1e-4)

    factor = found["pressure_acceleration"].value ** (np.arange(6) / 5)
    net = options["purchase_margin"] * (1 - np.mean(1 / factor)) - options["reward_cost"] / 6
    assert found["card_net_per_purchase"].value == pytest.approx(net, rel=1e-3)

    tables = data.load("complete_journey")
    goods = tables["products"].query("category == 'YOGURT'").dropna(subset="manufacturer_id")
    lines = tables["order_lines"].merge(goods[["product_id", "manufacturer_id"]], on="product_id")
    lines = lines.merge(tables["orders"][["order_id", "customer_id", "ordered_at"]], on="order_id")
    lines["maker"] = lines["manufacturer_id"].astype(str)
    sums = lines.groupby(["customer_id", "ordered_at", "order_id", "maker"], as_index=False)["amount"].sum()
    sums = sums.sort_values(["order_id", "amount", "maker"], ascending=[True, False, True])
    bought = sums.drop_duplicates("order_id").sort_values(["customer_id", "ordered_at", "order_id"])
    bought = bought[bought["ordered_at"] < "2017-10-01"]
    counts = bought["maker"].value_counts()
    named = sorted(counts.index, key=lambda name: (-counts[name], name))[:5]
    bought["maker"] = bought["maker"].where(bought["maker"].isin(named), "other")
    kept = left = habit = 0.0
    for _, brands in bought.groupby("customer_id")["maker"]:
        steps = len(brands) - 1
        if steps:
            kept += (brands.to_numpy()[1:] == brands.to_numpy()[:-1]).sum()
            habit += sum(n * (n - 1) for n in brands.value_counts()) / len(brands)
            left += steps
    assert found["pull_of_last_purchase"].value == pytest.approx((kept - habit) / left, abs=1e-4)


def test_referral_at_the_contrast_is_what_pandas_counts(contrasted):
    """Each customer brought by day 90 counts 1 / (customers followed as long); means of margins over 120 days."""
    from crmlib import referral

    options, found = CONTRASTS["20_referral"], contrasted("20_referral")
    tables, last = referral.referring_firm(options["seed"]), pd.Timestamp(options["as_of"])
    won = tables["customers"].set_index("customer_id")["acquired_at"].dt.normalize()
    won = won[won <= last]
    links = tables["referrals"].dropna(subset="customer_id")
    links = links[links["customer_id"].isin(won.index)]
    cycle = (links["customer_id"].map(won) - links["referrer_id"].map(won)).dt.days
    followed = np.sort((last - won).dt.days)
    weights = 1 / (len(followed) - np.searchsorted(followed, cycle[cycle <= 90]))
    assert found["reproduction_number"].value == pytest.approx(weights.sum(), rel=1e-4)
    assert found["customers_over_generations"].value == pytest.approx(1 / (1 - weights.sum()), rel=1e-4)
    mean = weights @ cycle[cycle <= 90] / weights.sum()
    assert found["mean_cycle_days"].value == pytest.approx(mean, rel=1e-4)

    orders = tables["orders"].assign(margin=lambda table: table["amount"] - table["cost"])
    since = (orders["ordered_at"].dt.normalize() - orders["customer_id"].map(won)).dt.days
    early = orders[since <= 120].groupby("customer_id")["margin"].sum()
    old = won.index[(last - won).dt.days >= 120]
    brought = early.reindex(old)[old.isin(links["customer_id"])].mean()
    assert found["break_even_reward"].value == pytest.approx((1 - options["anyway_share"]) * brought, rel=1e-4)
    assert found["break_even_reward"].sentence.startswith("If 50 % of those brought would come anyway")
    assert ("the programme pays" in found["break_even_reward"].sentence) == (found["break_even_reward"].low > 5)


def test_paths_at_the_contrast_are_what_pandas_counts(contrasted):
    options, found = CONTRASTS["21_paths"], contrasted("21_paths")
    tables = data.load(options["source"])
    end = pd.Timestamp(options["as_of"]) + pd.Timedelta(days=1)
    touches = tables["touches"].merge(tables["outcomes"], on="journey_id")
    last = touches.groupby("journey_id")["touched_at"].transform("max")
    touches = touches[(last < end) & ~(touches["converted_at"] >= end)].sort_values(["journey_id", "position"])
    paths = touches.groupby("journey_id")["channel"].agg(lambda steps: " > ".join(map(str, steps)))
    won = touches.groupby("journey_id")["conversions"].first()
    counts = paths.value_counts(normalize=True)
    assert found["most_frequent_path_share"].value == pytest.approx(counts.iloc[0], rel=1e-4)
    assert f"the most frequent path is {counts.index[0]}," in found["most_frequent_path_share"].sentence
    rate = won[paths == counts.index[0]].mean()
    assert f"{100 * rate:.1f} % of them convert" in found["most_frequent_path_share"].sentence
    days = touches["converted_at"] - touches.groupby("journey_id")["touched_at"].transform("min")
    median = np.sort(days[touches["position"] == 1].dropna() / pd.Timedelta(days=1))
    assert found["median_days_to_conversion"].value == pytest.approx(
        median[int(np.ceil(len(median) / 2)) - 1], rel=1e-4
    )


def test_wallet_at_the_contrast_is_what_pandas_counts(contrasted):
    """Share of requirements, smallest brand and repeat from the order lines by plain pandas."""
    found = contrasted("19_wallet")
    tables = data.load("complete_journey")
    goods = tables["products"].query("category == 'SOFT DRINKS'").dropna(subset="manufacturer_id")
    lines = tables["order_lines"].merge(goods[["product_id", "manufacturer_id"]], on="product_id")
    lines = lines.merge(tables["orders"][["order_id", "customer_id", "ordered_at"]], on="order_id")
    lines = lines[lines["ordered_at"] < "2017-12-01"].assign(maker=lines["manufacturer_id"].astype(str))
    each = lines.drop_duplicates(["order_id", "maker"])
    buyers = each.loc[each["maker"] == "69", "customer_id"].unique()
    theirs = each[each["customer_id"].isin(buyers)]
    share = (theirs["maker"] == "69").mean()
    top = each["maker"].value_counts().index[:4]
    # Orders with two brands beyond the named ones are one purchase of each of them, as the matrix adds them up.
    assert found["category_share_of_buyers"].value == pytest.approx(share, rel=1e-4)
    reach = each[each["maker"].isin(top)].groupby("maker")["customer_id"].nunique() / len(tables["customers"])
    assert f"by {100 * reach.min():.1f} % of households" in found["as_often_as_their_size"].sentence

    day = pd.Timestamp("2017-11-30")
    second = each[each["ordered_at"] >= day - pd.Timedelta(days=89)]
    first = each[
        (each["ordered_at"] >= day - pd.Timedelta(days=179)) & (each["ordered_at"] < day - pd.Timedelta(days=89))
    ]
    named = first["maker"].value_counts().index[:4]
    pairs = [
        set(zip(part["customer_id"], part["maker"].where(part["maker"].isin(named), "other"), strict=True))
        for part in (first, second)
    ]
    again = len(pairs[0] & pairs[1]) / len(pairs[0])
    assert f"in 90 days {100 * again:.1f} %" in found["repeat_minus_predicted"].sentence
