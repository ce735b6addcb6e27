"""What a programme pays back: the return on its rewards."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crmlib import data, loyalty
from crmlib.errors import DataError, MissingColumnsError, ParameterError

# -- return ------------------------------------------------------------------------------------


def small_panel():
    """Two members join in period 1, two customers never; sales by hand."""
    amounts = [[10, 0, 30, 30], [20, 0, 20, 40], [10, 0, 10, 10], [20, 0, 30, 20]]
    return pd.DataFrame(
        {
            "customer_id": np.repeat([1, 2, 3, 4], 4),
            "period": np.tile(range(4), 4),
            "joined": np.repeat([1.0, 1.0, np.nan, np.nan], 4),
            "amount": np.ravel(amounts).astype(float),
        }
    )


def memberships(costs=(4.0, 8.0)):
    return pd.DataFrame(
        {"customer_id": [1, 2], "joined_at": pd.to_datetime(["2026-01-01"] * 2), "reward_cost": list(costs)}
    )


def test_the_return_by_hand():
    """Members 15 → 30, others 15 → 17.5: 12.5 caused, 5 at a margin of .4. Rewards 4 and 8 in 60 days: 3 in 30."""
    options = {"as_of": "2026-03-01", "margin_rate": 0.4}
    found = loyalty.programme_return(small_panel(), memberships(), **options).set_index("quantity")
    assert found["value"].to_dict() == pytest.approx(
        {"caused_sales": 12.5, "caused_margin": 5.0, "reward_cost": 3.0, "net": 2.0, "return": 2 / 3}
    )
    # Members' costs 2 and 4 have the variance 2; the mean of two has the error 1.
    assert found.loc["reward_cost", "standard_error"] == pytest.approx(1)
    # Net of members: .4 × (20, 10) − (2, 4) = (6, 0), others' .4 × (0, 5) = (0, 2): variances 18/2 and 2/2.
    assert found.loc["net", "standard_error"] == pytest.approx(np.sqrt(9 + 1))
    # (net − 2/3 cost) / 3 of members: (6 − 4/3, 0 − 8/3) / 3, variance (22/3)²/2 / 9 / 2; others' 2 / 2 / 9.
    assert found.loc["return", "standard_error"] == pytest.approx(np.sqrt(((22 / 3) ** 2 / 4 + 1) / 9))


def test_rewards_that_cost_nothing_have_no_return():
    found = loyalty.programme_return(small_panel(), memberships((0, 0)), as_of="2026-03-01", margin_rate=0.4)
    assert found.set_index("quantity").loc["net", "value"] == pytest.approx(5)
    assert found.iloc[-1, 1:].isna().all()


def test_impossible_returns_are_refused():
    options = {"as_of": "2026-03-01", "margin_rate": 0.4}
    with pytest.raises(DataError, match="1 members of the panel have no reward_cost"):
        loyalty.programme_return(small_panel(), memberships().head(1), **options)
    with pytest.raises(DataError, match="a customer twice"):
        loyalty.programme_return(small_panel(), pd.concat([memberships()] * 2), **options)
    with pytest.raises(MissingColumnsError, match="reward_cost"):
        loyalty.programme_return(small_panel(), memberships().drop(columns="reward_cost"), **options)
    with pytest.raises(ParameterError, match="margin_rate is 30"):
        loyalty.programme_return(small_panel(), memberships(), as_of="2026-03-01", margin_rate=30)
    with pytest.raises(ParameterError, match="needs as_of"):
        loyalty.programme_return(small_panel(), memberships(), as_of="", margin_rate=0.4)
    everybody = small_panel()[lambda table: table["customer_id"] < 3]
    with pytest.raises(DataError, match="everybody joined in the same period"):
        loyalty.programme_return(everybody, memberships(), **options)


def test_intervals_of_the_return_cover():
    """30 firms: truth from the re-run without the programme at the members' own cost; nominal 95 %, ± 3 errors."""
    inside = []
    for seed in range(30):
        firm = data.simulate(np.random.default_rng(seed), customers=10_000, tables=loyalty.NEEDED)
        real = loyalty.true_effect(firm, outcome="amount")
        panel = loyalty.programme_panel(firm)
        found = loyalty.programme_return(panel, firm["memberships"], as_of=firm.as_of, margin_rate=0.3)
        found = found.set_index("quantity")
        margin = 0.3 * np.average(real["effect"], weights=real["members"])
        truth = margin / found.loc["reward_cost", "value"] - 1
        inside.append(found.loc["return", "low"] <= truth <= found.loc["return", "high"])
    assert abs(np.mean(inside) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 30)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (1.0, 0.2, "the programme earns its rewards back at the shop"),
        (-0.8, 0.2, "the programme does not earn its rewards back"),
        (0.1, 0.2, "cannot be told"),
    ],
)
def test_the_return_takes_its_words_from_the_interval(value, error, words):
    names = ["caused_sales", "caused_margin", "reward_cost", "net", "return"]
    paid = pd.DataFrame({"quantity": names, "value": [10, 3, 2, 1, value]})
    paid = paid.assign(low=paid["value"] - 2 * error, high=paid["value"] + 2 * error)
    told = {"currency": "USD", "margin_rate": 0.3, "firm": "the shop"}
    finding = loyalty.conclusions.returns(paid, **told)
    assert words in finding.sentence
    assert "rewards of USD 2.00" in finding.sentence
    assert finding.value == value
    paid.iloc[-1, 1:] = np.nan
    assert "Rewards cost nothing" in loyalty.conclusions.returns(paid, **told).sentence
    assert "is not known" in loyalty.conclusions.returns(None, **told).sentence


def test_a_source_without_reward_cost_has_no_return():
    firm = data.simulate(np.random.default_rng(1), customers=10_000, tables=loyalty.NEEDED)
    panel = loyalty.programme_panel(firm)
    found = loyalty.source_return(firm, panel, margin_rate=0.3)
    same = loyalty.programme_return(panel, firm["memberships"], as_of=firm.as_of, margin_rate=0.3)
    pd.testing.assert_frame_equal(found, same)
    bare = dataclasses.replace(firm, frames={"memberships": firm["memberships"].drop(columns="reward_cost")})
    assert loyalty.source_return(bare, panel, margin_rate=0.3) is None
