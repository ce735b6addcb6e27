"""Attribution: the order chosen by held-out likelihood, ordered Shapley, the person-period model."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlib import attribution
from crmlib.attribution.logistic import fitted
from crmlib.attribution.order import Evidence, folded
from crmlib.attribution.reading import read
from crmlib.attribution.units import units
from crmlib.errors import DataError, ParameterError


def tables(*journeys):
    """Touches and outcomes of (path, conversions, nulls)."""
    rows = list(enumerate(journeys, 1))
    touches = [(number, place, name) for number, (path, *_) in rows for place, name in enumerate(path, 1)]
    outcomes = [(number, won, 10.0 * won, lost) for number, (_, won, lost) in rows]
    return (
        pd.DataFrame(touches, columns=["journey_id", "position", "channel"]).astype({"channel": "str"}),
        pd.DataFrame(outcomes, columns=["journey_id", "conversions", "value", "nulls"]),
    )


def walks(rng, number, order):
    """Journeys over a, b, c whose next step depends on the last `order` touches; half the last ones convert."""
    found = []
    for _ in range(number):
        path = [str(rng.choice(list("abc")))]
        while rng.random() < 0.8:
            told = sum("abc".index(name) * (place + 1) for place, name in enumerate(path[-order:][::-1]))
            path.append("abc"[told % 3] if rng.random() < 0.8 else str(rng.choice(list("abc"))))
        won = int(rng.random() < (0.6 if path[-1] == "a" else 0.2))
        found.append(("".join(path), won, 1 - won))
    return found


# -- the order of the chain --------------------------------------------------------------------


def test_held_out_scores_equal_those_added_up_step_by_step():
    """Two folds, order 2, by dictionaries: every step (n + ½) / (N + A/2), A = 3 from the start, 5 inside."""
    journeys = [("ab", 3, 4), ("abc", 2, 2), ("a", 1, 5), ("cab", 4, 1), ("bb", 0, 3)]
    paths = folded(read(*tables(*journeys)), 2, np.random.default_rng(4))
    evidence = Evidence.of(paths, [2], 2)
    found = evidence.scores(0, paths.journeys[:, None])[:, 0]
    rows = []
    for number in range(len(paths.lengths)):
        codes = paths.codes[paths.starts[number] : paths.starts[number + 1]]
        names = "".join(paths.channels[code] for code in codes)
        steps = [(names[max(0, place - 2) : place], name) for place, name in enumerate(names)]
        steps.append((names[-2:], "won" if paths.conversions[number] else "lost"))
        rows.append((paths.part[number] // 2, steps, paths.journeys[number]))
    for number, (fold, steps, _) in enumerate(rows):
        trained = [step for other, taken, made in rows if other != fold for step in taken * int(made)]
        score = 0.0
        for state, step in steps:
            n, all_ = trained.count((state, step)), sum(source == state for source, _ in trained)
            score += math.log((n + 0.5) / (all_ + (3 if state == "" else 5) / 2))
        assert found[number] == pytest.approx(score)


@pytest.mark.parametrize("order", [1, 2])
def test_the_order_that_made_the_journeys_is_found(order):
    touches, outcomes = tables(*walks(np.random.default_rng(order), 3_000, order))
    table = attribution.order_choice(touches, outcomes, orders=(3, 2, 1), rng=np.random.default_rng(1))
    assert table["order"].tolist() == [1, 2, 3]
    assert table.loc[table["chosen"], "order"].tolist() == [order]
    assert table["behind"].min() == 0
    assert table.loc[table["chosen"], "standard_error"].item() == 0
    far = table[~table["chosen"]]
    assert (far["behind"] > 2 * far["standard_error"]).all()
    np.testing.assert_allclose(table["log_likelihood"], 3_000 * table["per_journey"])


def test_aggregated_paths_and_single_journeys_choose_alike():
    journeys = walks(np.random.default_rng(8), 1_500, 2)
    single = tables(*journeys)
    frame = pd.DataFrame(journeys, columns=["path", "won", "lost"]).groupby("path", as_index=False).sum()
    whole = tables(*frame.itertuples(index=False, name=None))
    found = [attribution.order_choice(*both, rng=np.random.default_rng(2)) for both in (single, whole)]
    assert found[0]["chosen"].equals(found[1]["chosen"])
    np.testing.assert_allclose(found[0]["per_journey"], found[1]["per_journey"], atol=0.02)


def test_customers_stay_in_one_fold():
    touches, outcomes = tables(*[("ab", 1, 0), ("b", 0, 1), ("ab", 0, 1)] * 20)
    outcomes["customer_id"] = np.repeat(np.arange(20), 3)
    split = folded(read(touches, outcomes, customers=True), 5, np.random.default_rng(3))
    assert pd.Series(split.part // 2).groupby(split.customers).nunique().eq(1).all()
    assert np.bincount(split.part // 2).tolist() == [12] * 5
    assert (split.conversions.sum(), split.nulls.sum(), split.value.sum()) == (20, 40, 200)


def test_the_selected_rule_credits_as_its_order_does_and_is_selected_in_each_replicate():
    touches, outcomes = tables(*walks(np.random.default_rng(2), 2_000, 2))
    rule = attribution.selected_markov(3)
    found = attribution.credits(touches, outcomes, rule=rule, rng=np.random.default_rng(1))
    pd.testing.assert_frame_equal(found, attribution.credits(touches, outcomes, rule="markov", order=2))
    with pytest.raises(ParameterError, match="give rng"):
        attribution.credits(touches, outcomes, rule=rule)
    sample = attribution.credit_sample(touches, outcomes, rule=rule, replicates=50, rng=np.random.default_rng(5))
    np.testing.assert_allclose(sample.credit, found["conversions"])
    np.testing.assert_allclose(sample.shares.sum(axis=0), 1)
    # a draw in which the order is open: near order 1, replicates go either way, each as its own order says
    few = tables(*walks(np.random.default_rng(6), 60, 2))
    paths = read(*few)
    drawn = units(paths, rule, "conversions", np.random.default_rng(2))
    allocate = rule.allocation(drawn.paths)
    weights = np.random.default_rng(3).multinomial(60, drawn.counts / 60, size=200).T.astype(float)
    chosen = allocate.chosen(drawn.journeys @ weights)
    assert set(chosen) >= {0, 1}
    credit = allocate(drawn.amount @ weights, drawn.journeys @ weights)
    for column in (int(np.argmin(chosen)), int(np.argmax(chosen == 1))):
        alone = attribution.markov(int(chosen[column]) + 1).allocation(drawn.paths)
        mine = weights[:, [column]]
        np.testing.assert_allclose(credit[:, [column]], alone(drawn.amount @ mine, drawn.journeys @ mine))


def test_value_and_customers_work_with_a_selected_order():
    touches, outcomes = tables(*walks(np.random.default_rng(3), 400, 1))
    outcomes["customer_id"] = np.arange(400) // 2
    table = attribution.credit_intervals(
        touches, outcomes, rule="selected_markov", most=2, measure="value", replicates=30, rng=np.random.default_rng(1)
    )
    assert table["credit"].sum() == pytest.approx(outcomes["value"].sum())
    assert (table["low"] <= table["credit"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"orders": ()}, "orders is empty"), ({"orders": (0,)}, "order is 0"), ({"folds": 1}, "folds is 1")],
)
def test_choices_that_cannot_be_made_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        attribution.order_choice(*tables(("a", 1, 1)), rng=np.random.default_rng(1), **options)
    with pytest.raises(DataError, match="no journeys to hold out"):
        attribution.order_choice(*tables(("a", 0, 0)), rng=np.random.default_rng(1))
    with pytest.raises(DataError, match="whole numbers"):
        attribution.order_choice(*tables(("a", 0.5, 1)), rng=np.random.default_rng(1))
    with pytest.raises(ParameterError, match="most is 0"):
        attribution.selected_markov(0)


# -- ordered Shapley ---------------------------------------------------------------------------


def test_ordered_shapley_by_hand():
    """a > b > a converts 4 times: half each; a's 2 over positions 1 and 3. b > c 1: a half each."""
    table = attribution.ordered_shapley(*tables(("aba", 4, 1), ("bc", 1, 0), ("c", 0, 2)))
    found = {(row.channel, row.position): row.conversions for row in table.itertuples()}
    assert found == {("a", 1): 1, ("a", 3): 1, ("b", 1): 0.5, ("b", 2): 2, ("c", 1): 0, ("c", 2): 0.5}
    assert table["value"].tolist() == (10 * table["conversions"]).tolist()
    assert table["share"].sum() == pytest.approx(1)


def test_ordered_shapley_sums_to_shapley_by_count():
    journeys = tables(*walks(np.random.default_rng(9), 300, 1))
    ordered = attribution.ordered_shapley(*journeys).groupby("channel")[["conversions", "value"]].sum()
    plain = attribution.credits(*journeys, rule="shapley").set_index("channel")[["conversions", "value"]]
    pd.testing.assert_frame_equal(ordered, plain)


def test_ordered_shapley_of_nothing_has_no_rows():
    touches, outcomes = tables(("a", 1, 0))
    assert attribution.ordered_shapley(touches.iloc[:0], outcomes).empty


# -- the person-period model -------------------------------------------------------------------


def test_the_model_recovers_the_odds_that_made_the_journeys():
    """Touches of a and b at random; logit h = α_now + β_earlier: every true odds within 4 standard errors."""
    rng = np.random.default_rng(11)
    now, earlier = {"a": -2.0, "b": -1.2}, {"a": 0.8, "b": -0.3}
    journeys = []
    for _ in range(8_000):
        path, won = "", 0
        while not won and (not path or rng.random() < 0.7):
            name = "ab"[rng.integers(2)]
            logit = now[name] + sum(earlier[seen] for seen in set(path))
            path += name
            won = int(rng.random() < 1 / (1 + math.exp(-logit)))
        journeys.append((path, won, 1 - won))
    level = math.erf(4 / math.sqrt(2))
    table = attribution.touch_effects(*tables(*journeys), level=level).set_index("channel")
    for name in "ab":
        assert table.loc[name, "odds_low"] < math.exp(now[name]) < table.loc[name, "odds_high"]
        assert table.loc[name, "ratio_low"] < math.exp(earlier[name]) < table.loc[name, "ratio_high"]
    assert table.loc["a", "ratio_low"] > 1
    credit = attribution.credits(*tables(*journeys), rule="person_period").set_index("channel")["conversions"]
    last = attribution.credits(*tables(*journeys), rule="last_touch").set_index("channel")["conversions"]
    assert credit.sum() == pytest.approx(sum(won for _, won, _ in journeys))
    assert credit["a"] > last["a"]  # its earlier touches raise later chances, those of b lower them


def test_the_saturated_case_by_hand():
    """a alone: 10 of 100; b alone: 20 of 100; a > b: 40 of 100, a not converting first. Position 2 is b after a only.

    Chances: a 10/200, b first 20/100, b after a 40/100: the model fits all three. Without a, b after a falls to
    20/100 (position and an earlier a come together, and share the effect evenly on the log scale).
    """
    touches, outcomes = tables(("a", 10, 90), ("b", 20, 80), ("ab", 40, 60))
    credit = attribution.credits(touches, outcomes, rule="person_period").set_index("channel")["conversions"]
    both = math.log(0.4 / 0.6) - math.log(0.2 / 0.8)
    # the least-norm solution of β + γ ln 2 = both: β = both / (1 + ln² 2)
    without = 1 / (1 + math.exp(-(math.log(0.4 / 0.6) - both / (1 + math.log(2) ** 2))))
    carried = 100 * (0.4 - without)
    assert credit["a"] / credit["b"] == pytest.approx((10 + carried) / 60, rel=1e-4)


def test_odds_that_the_journeys_do_not_tell_apart_are_missing():
    """Of those journeys position 2 is always b after a, so that neither has odds of its own; a first touch has."""
    table = attribution.touch_effects(*tables(("a", 10, 90), ("b", 20, 80), ("ab", 40, 60))).set_index("channel")
    assert table["odds"].tolist() == pytest.approx([10 / 190, 20 / 80], rel=1e-4)
    assert table["earlier_odds_ratio"].isna().all()
    never = attribution.touch_effects(*tables(("a", 10, 90), ("b", 0, 80))).set_index("channel")
    assert never["odds"].isna().tolist() == [False, True]


def test_person_period_credit_is_the_same_from_single_journeys_and_on_every_weighting():
    journeys = walks(np.random.default_rng(5), 400, 1)
    frame = pd.DataFrame(journeys, columns=["path", "won", "lost"]).groupby("path", as_index=False).sum()
    single = attribution.credits(*tables(*journeys), rule="person_period")
    whole = attribution.credits(*tables(*frame.itertuples(index=False, name=None)), rule="person_period")
    pd.testing.assert_frame_equal(single, whole, rtol=1e-6)
    np.testing.assert_allclose(single["value"], 10 * single["conversions"])
    table = attribution.credit_intervals(
        *tables(*journeys), rule="person_period", replicates=40, rng=np.random.default_rng(1)
    )
    np.testing.assert_allclose(table["credit"], single["conversions"], rtol=1e-6)
    assert (table["low"] < table["credit"]).all()
    assert (table["credit"] < table["high"]).all()


def test_only_conversions_or_none_of_them():
    won = attribution.credits(*tables(("ab", 3, 0), ("c", 2, 0)), rule="person_period")
    assert won["conversions"].sum() == pytest.approx(5)
    none = attribution.credits(*tables(("ab", 0, 3)), rule="person_period")
    assert none["conversions"].tolist() == [0, 0]
    for nothing in (("ab", 3, 0), ("ab", 0, 3)):
        with pytest.raises(DataError, match="needs journeys that converted and"):
            attribution.touch_effects(*tables(nothing))


def test_beyond_forty_channels_the_rarest_share_a_coefficient():
    rng = np.random.default_rng(7)
    names = [f"c{number:02d}" for number in range(60)]
    weights = np.linspace(3, 1, 60) / np.linspace(3, 1, 60).sum()
    journeys = [(tuple(rng.choice(names, rng.integers(1, 4), p=weights)), int(rng.random() < 0.3)) for _ in range(800)]
    touches, outcomes = tables(*[(path, won, 1 - won) for path, won in journeys])
    table = attribution.credits(touches, outcomes, rule="person_period")
    assert table["conversions"].sum() == pytest.approx(outcomes["conversions"].sum())
    assert (table["conversions"] >= 0).all()
    effects = attribution.touch_effects(touches, outcomes)
    assert len(effects) == 41
    assert effects["channel"].iloc[-1] == "(others)"


def test_the_finding_names_the_order_and_its_lead():
    choice = attribution.order_choice(*tables(*walks(np.random.default_rng(2), 2_000, 2)), rng=np.random.default_rng(1))
    finding = attribution.conclusions.memory(choice, where="a shop")
    assert finding.value == 2
    assert "a chain of order 2 predicts held-out journeys best: order 1 falls" in finding.sentence
    assert "beyond chance" in finding.sentence
    longest = attribution.conclusions.memory(choice[choice["order"] <= 2], where="a shop").sentence
    assert "the longest memory tried" in longest


def test_chances_of_zero_stay_out_of_the_way_of_the_others():
    """By hand: each of 75 conversions comes right after its last touch, 35 of a and 40 of b; share 35 / 75 ± .0576."""
    journeys = tables(("ab" * 150, 40, 40), ("a", 35, 35))
    table = attribution.credit_intervals(
        *journeys, rule="person_period", replicates=300, rng=np.random.default_rng(1)
    ).set_index("channel")
    assert table.loc["a", "share"] == pytest.approx(35 / 75, abs=1e-6)
    assert table.loc["a", "share_high"] - table.loc["a", "share_low"] == pytest.approx(2 * 1.96 * 0.0576, rel=0.15)


def test_many_regressions_at_once_are_statsmodels_one_by_one():
    rng = np.random.default_rng(7)
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 3))])
    trials = rng.integers(1, 40, (30, 5)).astype(float)
    converted = rng.binomial(trials.astype(int), 0.3).astype(float)
    found = fitted(design, trials, converted)
    for column in range(5):
        counts = np.stack([converted[:, column], trials[:, column] - converted[:, column]], axis=1)
        model = sm.GLM(counts, design, family=sm.families.Binomial()).fit()
        np.testing.assert_allclose(found[:, column], model.params, atol=1e-7)
    np.testing.assert_allclose(fitted(design, trials, converted, found[:, 0]), found, atol=1e-7)
