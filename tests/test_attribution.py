"""Attribution: rules, chains, Shapley values, journeys and intervals."""

from __future__ import annotations

import datetime
import itertools
import math

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import attribution, data
from crmlib.attribution import credits, markov, position_based, shapley, time_decay
from crmlib.attribution.chain import Chain
from crmlib.attribution.reading import read
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas

RULES = [
    "first_touch",
    "last_touch",
    "last_non_direct",
    "linear",
    "position_based",
    "time_decay",
    markov(),
    markov(2),
    markov(3),
    shapley("count"),
    shapley("rate"),
]

# Four journeys: a > b > c converts twice for 30 and fails once; b > b converts once for 5; direct fails 4
# times; c > direct converts once for 8.
TOUCHES = {
    "journey_id": [1, 1, 1, 2, 2, 3, 4, 4],
    "position": [1, 2, 3, 1, 2, 1, 1, 2],
    "channel": ["a", "b", "c", "b", "b", "direct", "c", "direct"],
}
OUTCOMES = {
    "journey_id": [1, 2, 3, 4],
    "conversions": [2, 1, 0, 1],
    "value": [30.0, 5.0, 0.0, 8.0],
    "nulls": [1, 0, 4, 0],
}


def tables(*journeys):
    """Touches and outcomes of (path, conversions, nulls) or (path, conversions, nulls, value)."""
    rows = [(number, *journey) for number, journey in enumerate(journeys, 1)]
    touches = [(number, place, name) for number, path, *_ in rows for place, name in enumerate(path, 1)]
    outcomes = [(number, won, rest[0] if rest else 10.0 * won, lost) for number, _, won, lost, *rest in rows]
    return (
        pd.DataFrame(touches, columns=["journey_id", "position", "channel"]).astype({"channel": "str"}),
        pd.DataFrame(outcomes, columns=["journey_id", "conversions", "value", "nulls"]),
    )


def by_channel(touches, outcomes, column="conversions", **options):
    return credits(touches, outcomes, **options).set_index("channel")[column].to_dict()


# -- rules by hand -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [  # journey 1 has 2 conversions, journey 2 has 1, journey 4 has 1
        ("first_touch", {"a": 2, "b": 1, "c": 1, "direct": 0}),
        ("last_touch", {"a": 0, "b": 1, "c": 2, "direct": 1}),
        ("last_non_direct", {"a": 0, "b": 1, "c": 3, "direct": 0}),
        ("linear", {"a": 2 / 3, "b": 2 / 3 + 1, "c": 2 / 3 + 0.5, "direct": 0.5}),
        ("position_based", {"a": 0.8, "b": 0.4 + 1, "c": 0.8 + 0.5, "direct": 0.5}),
        # positions, half-life 1: 1/4, 1/2, 1 over 7/4; 1/2, 1 over 3/2
        ("time_decay", {"a": 2 / 7, "b": 4 / 7 + 1, "c": 8 / 7 + 1 / 3, "direct": 2 / 3}),
        ("shapley", {"a": 2 / 3, "b": 2 / 3 + 1, "c": 2 / 3 + 0.5, "direct": 0.5}),
    ],
)
def test_rules_equal_the_hand_worked_table_on_every_engine(frame, rule, expected):
    assert by_channel(frame(TOUCHES), frame(OUTCOMES), rule=rule) == pytest.approx(expected)


def test_value_is_divided_as_conversions_are_by_each_journeys_own(frame):
    value = by_channel(frame(TOUCHES), frame(OUTCOMES), "value", rule="linear")
    assert value == pytest.approx({"a": 10, "b": 10 + 5, "c": 10 + 4, "direct": 4})


def test_position_based_parts_can_be_chosen():
    touches, outcomes = tables(("abc", 1, 0), ("de", 1, 0))
    found = by_channel(touches, outcomes, rule="position_based", first=0.6, last=0.2)
    assert found == pytest.approx({"a": 0.6, "b": 0.2, "c": 0.2, "d": 0.75, "e": 0.25})
    middle = by_channel(touches, outcomes, rule=position_based(0, 0))
    assert middle == pytest.approx({"a": 0, "b": 1, "c": 0, "d": 0.5, "e": 0.5})


def test_time_decay_halves_every_half_life_before_the_last_touch(frame):
    """Touches 14, 7 and 0 days before the last: 1/4, 1/2, 1 over 7/4; with half-life 14: 1/2, √½, 1."""
    day = datetime.datetime(2026, 1, 1, 12)
    times = [day + datetime.timedelta(days=days) for days in (0, 7, 14)]
    touches = {"journey_id": [1, 1, 1], "position": [1, 2, 3], "channel": ["a", "b", "c"], "touched_at": times}
    outcomes = {"journey_id": [1], "conversions": [7], "value": [7.0], "nulls": [0]}
    assert by_channel(frame(touches), frame(outcomes), rule="time_decay") == pytest.approx({"a": 1, "b": 2, "c": 4})
    total = 0.5 + math.sqrt(0.5) + 1
    slow = by_channel(frame(touches), frame(outcomes), rule=time_decay(14))
    assert slow == pytest.approx({"a": 3.5 / total, "b": 7 * math.sqrt(0.5) / total, "c": 7 / total})
    dates = touches | {"touched_at": [time.date() for time in times]}
    assert by_channel(frame(dates), frame(outcomes), rule="time_decay") == pytest.approx({"a": 1, "b": 2, "c": 4})


def test_last_non_direct_takes_the_name_of_direct():
    touches, outcomes = tables((["mail", "typed in"], 1, 0), (["typed in"], 1, 0))
    assert by_channel(touches, outcomes, rule="last_non_direct", direct="typed in") == {"mail": 1, "typed in": 1}
    assert by_channel(touches, outcomes, rule="last_non_direct") == {"mail": 0, "typed in": 2}


def test_rules_are_named_made_or_refused():
    touches, outcomes = tables(("ab", 1, 1))
    named, made = (
        credits(touches, outcomes, **given) for given in ({"rule": "markov", "order": 2}, {"rule": markov(2)})
    )
    pd.testing.assert_frame_equal(named, made)
    assert credits(touches, outcomes, rule=markov).equals(credits(touches, outcomes))
    assert str(markov(2)) == "Markov of order 2"
    for options, message in (
        ({"rule": "last click"}, "'last click' is unknown; use one of first_touch"),
        ({"rule": "markov", "half_life": 3}, "does not take half_life"),
        ({"rule": markov(2), "order": 3}, "order stands beside a rule"),
        ({"rule": "markov", "order": 0}, "order is 0"),
        ({"rule": "time_decay", "half_life": 0}, "half_life is 0"),
        ({"rule": "shapley", "worth": "sum"}, "worth is 'sum'"),
        ({"rule": "position_based", "first": 0.9}, "sum to at most 1"),
        ({"rule": 3}, "does not take|use a name"),
    ):
        with pytest.raises(ParameterError, match=message):
            credits(touches, outcomes, **options)


@pytest.mark.parametrize("rules", [RULES, RULES[::-1]])
def test_several_rules_at_once_give_what_each_gives_alone(rules):
    touches, outcomes = tables(*random_journeys(5))
    together = attribution.credits_by_rule(touches, outcomes, rules)
    assert list(together["rule"].unique()) == [str(attribution.rules.rule_of(rule)) for rule in rules]
    for rule in rules:
        alone = credits(touches, outcomes, rule=rule)
        part = together[together["rule"] == str(attribution.rules.rule_of(rule))].drop(columns="rule")
        pd.testing.assert_frame_equal(part.reset_index(drop=True), alone)
    shares = attribution.share_table(together)
    assert shares.mean(axis=1).is_monotonic_decreasing
    np.testing.assert_allclose(shares.sum(), 1)
    with pytest.raises(ParameterError, match="at least one rule"):
        attribution.credits_by_rule(touches, outcomes, [])


# -- published numbers -------------------------------------------------------------------------


def test_textbook_example(published):
    entry = published("attribution_textbook")
    touches, outcomes = tables(("ABC", 1, 0), ("A", 0, 1), ("BC", 0, 1))
    effects = attribution.removal_effects(touches, outcomes).set_index("channel")
    near = {"abs": entry["tolerance"]}
    assert effects["removal_effect"].to_dict() == pytest.approx(entry["values"]["removal_effect"], **near)
    assert effects["probability"].to_numpy() == pytest.approx(entry["values"]["probability"], **near)
    assert effects.loc["A", "probability_without"] == pytest.approx(1 / 6)
    assert by_channel(touches, outcomes, "share") == pytest.approx(entry["values"]["share"], **near)


@pytest.fixture(scope="module")
def paths():
    loaded = data.load("paths")
    return loaded["touches"], loaded["outcomes"]


@pytest.mark.data
@pytest.mark.parametrize("rule", ["first_touch", "last_touch", "linear", "markov"])
def test_paths_credits_are_the_published_ones(published, paths, rule):
    entry = published("attribution_paths")
    found = by_channel(*paths, rule=rule)
    for channel, value in entry["values"][rule].items():
        assert found[channel] == pytest.approx(value, abs=entry["tolerance"])
    assert sum(found.values()) == pytest.approx(entry["values"]["conversions"])


@pytest.mark.data
def test_paths_order_2_before_and_after_collapsing_repeats(published, paths):
    entry = published("attribution_paths")
    for touches, key in ((paths[0], "markov_order_2_alpha"), (collapsed(paths[0]), "markov_order_2_alpha_collapsed")):
        found = by_channel(touches, paths[1], rule="markov", order=2)
        assert found["alpha"] == pytest.approx(entry["values"][key], abs=entry["tolerance"])


@pytest.mark.data
def test_paths_removal_effects_and_rate_are_the_published_ones(published, paths):
    effects = attribution.removal_effects(*paths).set_index("channel")
    entry = published("attribution_paths_removal")
    for channel, value in entry["values"]["removal_effect"].items():
        assert effects.loc[channel, "removal_effect"] == pytest.approx(value, abs=entry["tolerance"])
    entry = published("attribution_paths_probability")
    assert effects["probability"].iloc[0] == pytest.approx(entry["values"]["probability"], abs=entry["tolerance"])
    entry = published("attribution_paths_rate")
    rate = by_channel(*paths, rule="shapley", worth="rate")
    for channel, value in entry["values"].items():
        assert rate[channel] == pytest.approx(value, abs=entry["tolerance"])


@pytest.mark.data
def test_linear_share_of_alpha_has_the_standard_error_of_a_ratio(paths):
    """By the delta method over conversions: √Σ n (l − s)² / Σ n, l the part of a path's touches that are alpha."""
    touches, outcomes = paths
    part = (touches["channel"] == "alpha").groupby(touches["journey_id"]).mean().reindex(outcomes["journey_id"])
    n = outcomes["conversions"].to_numpy()
    share = (n * part.to_numpy()).sum() / n.sum()
    error = math.sqrt((n * (part.to_numpy() - share) ** 2).sum()) / n.sum()
    sample = attribution.credit_sample(*paths, rule="linear", rng=np.random.default_rng(3))
    alpha = sample.channels.index("alpha")
    assert sample.share[alpha] == pytest.approx(share)
    assert sample.shares[alpha].std() == pytest.approx(error, rel=0.08)  # a thousand replicates: ± 2 % each


# -- independent routes ------------------------------------------------------------------------


def brute_force_shapley(journeys, worth):
    """Mean contribution over all orders of the channels, v(S) by filtering journeys."""
    players = sorted({name for path, *_ in journeys for name in path})

    def v(members):
        inside = [(won, lost) for path, won, lost in journeys if set(path) <= members]
        won, all_ = sum(w for w, _ in inside), sum(w + n for w, n in inside)
        return won if worth == "count" else (won / all_ if all_ else 0.0)

    value = dict.fromkeys(players, 0.0)
    for order in itertools.permutations(players):
        for place, player in enumerate(order):
            value[player] += v(set(order[: place + 1])) - v(set(order[:place]))
    total = sum(value.values())
    conversions = sum(won for _, won, _ in journeys)
    return {player: x * conversions / total if total else 0.0 for player, x in value.items()}


def fundamental_matrix(journeys, order=1):
    """Credits by the textbook's chain: a transition matrix with rows of states, solved anew without each channel."""

    def probability(without=None):
        flows = {}
        for path, won, lost in journeys:
            state = "start"
            for place in range(len(path)):
                following = tuple(path[max(0, place + 1 - order) : place + 1])
                flows[state, following] = flows.get((state, following), 0) + won + lost
                state = following
            flows[state, "won"] = flows.get((state, "won"), 0) + won
            flows[state, "lost"] = flows.get((state, "lost"), 0) + lost
        states = sorted({source for source, _ in flows if source != "start"})
        states = ["start", *states]
        out = {state: sum(n for (source, _), n in flows.items() if source == state) for state in states}
        matrix, win = np.zeros((len(states), len(states))), np.zeros(len(states))
        for (source, target), n in flows.items():
            if target == "won":
                win[states.index(source)] += n / out[source]
            elif target != "lost" and without not in target:
                matrix[states.index(source), states.index(target)] += n / out[source]
        return np.linalg.solve(np.eye(len(states)) - matrix, win)[0]

    names = sorted({name for path, *_ in journeys for name in path})
    effects = {name: 1 - probability(name) / probability() for name in names}
    conversions = sum(won for _, won, _ in journeys)
    return {name: conversions * effect / sum(effects.values()) for name, effect in effects.items()}


def random_journeys(seed, channels="abcde", number=25):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, number)
    found = [(tuple(rng.choice(list(channels), length)), *map(int, rng.integers(0, 4, 2))) for length in lengths]
    return [(path, won, lost) for path, won, lost in found if won + lost]


@pytest.mark.parametrize("worth", ["count", "rate"])
@pytest.mark.parametrize("seed", range(4))
def test_shapley_equals_brute_force_over_all_orders(worth, seed):
    journeys = random_journeys(seed)
    found = by_channel(*tables(*journeys), rule=shapley(worth))
    assert found == pytest.approx(brute_force_shapley(journeys, worth))


@pytest.mark.parametrize("order", [1, 2, 3, 9])
@pytest.mark.parametrize("seed", range(4))
def test_markov_equals_the_chain_solved_anew_without_each_channel(order, seed):
    journeys = random_journeys(seed, "abcd")
    found = by_channel(*tables(*journeys), rule=markov(order))
    assert found == pytest.approx(fundamental_matrix(journeys, order))


@pytest.mark.parametrize("order", [1, 2])
def test_all_ways_to_solve_the_chain_agree(order, monkeypatch):
    """One inverse, journeys followed step by step, and a factorisation for each channel."""
    touches, outcomes = tables(*random_journeys(7, "abcdefgh", 60))
    paths = read(touches, outcomes)
    chain = Chain.of(paths, order)
    amounts, journeys = paths.conversions[:, None] * [1, 2, 3], paths.journeys[:, None]

    def losses(**limits):
        for name, limit in limits.items():
            monkeypatch.setattr(f"crmlib.attribution.chain.{name}", limit)
        return chain.losses(amounts, journeys), chain.losses(amounts, journeys * [1, 2, 1])

    inverse, walked = losses(), losses(WALKED=0)
    slow, factorised = losses(_STEPS=2), losses(DENSE=0)
    for found in (walked, slow, factorised):
        for one, other in zip(inverse, found, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_walks_that_hardly_end_are_solved_too():
    """By hand: from a to b and back a thousand times on average, then won or lost: without b, nothing."""
    touches, outcomes = tables(("ab" * 1_000, 1, 1), *[((f"c{number}",), 0, 1) for number in range(400)])
    found = attribution.removal_effects(touches, outcomes).set_index("channel")["removal_effect"]
    assert found.loc[["a", "b", "c0"]].tolist() == pytest.approx([1, 1, 0])


def test_removal_effects_agree_with_a_simulated_chain():
    """200,000 walks through the transition matrix: each probability within 4 standard errors."""
    touches, outcomes = tables(*random_journeys(11, "abc", 40))
    table = attribution.transition_matrix(touches, outcomes)
    nodes = ["(start)", "a", "b", "c", "(conversion)", "(null)"]
    matrix = (
        table.pivot(index="source", columns="target", values="probability").reindex(nodes[:4], columns=nodes).fillna(0)
    )
    steps = matrix.to_numpy().cumsum(axis=1)
    rng = np.random.default_rng(5)
    effects = attribution.removal_effects(touches, outcomes).set_index("channel")
    for removed in ("a", "b", "c"):
        at = np.zeros(200_000, dtype=int)
        while (walking := at < 4).any():
            following = (rng.random(walking.sum())[:, None] > steps[at[walking]]).sum(axis=1)
            at[walking] = np.where(following == nodes.index(removed), 5, following)
        rate, exact = (at == 4).mean(), effects.loc[removed, "probability_without"]
        assert abs(rate - exact) < 4 * math.sqrt(exact * (1 - exact) / len(at))


def test_value_removal_effects_equal_conversion_effects_where_each_conversion_is_worth_the_same():
    effects = attribution.removal_effects(*tables(*random_journeys(3)))
    np.testing.assert_allclose(effects["removal_effect"], effects["value_removal_effect"])


def test_value_weighted_effects_follow_the_value():
    """By hand: a converts once for 90, b once for 10, no state is shared: removing a loses 90 % of the value."""
    effects = attribution.removal_effects(*tables(("a", 1, 1, 90.0), ("b", 1, 1, 10.0)))
    assert effects["removal_effect"].tolist() == pytest.approx([0.5, 0.5])
    assert effects["value_removal_effect"].tolist() == pytest.approx([0.9, 0.1])


def test_probability_is_conversions_per_journey_at_every_order():
    journeys = random_journeys(9)
    won, all_ = (sum(x) for x in zip(*((won, won + lost) for _, won, lost in journeys), strict=True))
    for order in (1, 2, 4):
        effects = attribution.removal_effects(*tables(*journeys), order=order)
        assert effects["probability"].tolist() == pytest.approx([won / all_] * len(effects))


def test_sampled_rates_lie_within_their_stated_error_of_the_exact_ones(monkeypatch):
    touches, outcomes = tables(*random_journeys(2, "abcdefgh", 80))
    exact = credits(touches, outcomes, rule=shapley("rate"))["conversions"]
    for module in ("game", "modelled"):
        monkeypatch.setattr(f"crmlib.attribution.{module}.EXACT_UP_TO", 5)
    table = credits(touches, outcomes, rule=shapley("rate", permutations=400), rng=np.random.default_rng(1))
    assert table["conversions"].sum() == pytest.approx(exact.sum())
    assert (table["sampling_error"] > 0).all()
    z = (table["conversions"] - exact) / table["sampling_error"]
    assert z.abs().max() < 4
    assert z.abs().max() > 0.05  # the error is no empty boast either
    with pytest.raises(ParameterError, match="for 8 give rng"):
        credits(touches, outcomes, rule=shapley("rate"))


@pytest.mark.parametrize("name", ["(start)", "(conversion)", "(null)"])
def test_a_channel_called_as_an_end_has_no_transitions(name):
    touches = pd.DataFrame({"journey_id": [1, 1], "position": [1, 2], "channel": ["a", name]})
    outcomes = pd.DataFrame({"journey_id": [1], "conversions": [1], "value": [0.0], "nulls": [0]})
    with pytest.raises(DataError, match="as an end of the journeys is; give it another name"):
        attribution.transition_matrix(touches, outcomes)


def test_transitions_by_hand():
    """Journey 1 three times (2 won), b > b once won, direct four times lost, c > direct once won."""
    table = attribution.transition_matrix(pd.DataFrame(TOUCHES), pd.DataFrame(OUTCOMES))
    found = {(row.source, row.target): row.journeys for row in table.itertuples()}
    assert found == {
        ("(start)", "a"): 3, ("(start)", "b"): 1, ("(start)", "c"): 1, ("(start)", "direct"): 4,
        ("a", "b"): 3, ("b", "b"): 1, ("b", "c"): 3, ("b", "(conversion)"): 1,
        ("c", "direct"): 1, ("c", "(conversion)"): 2, ("c", "(null)"): 1,
        ("direct", "(conversion)"): 1, ("direct", "(null)"): 4,
    }  # fmt: skip
    np.testing.assert_allclose(table.groupby("source")["probability"].sum(), 1)
    second = attribution.transition_matrix(pd.DataFrame(TOUCHES), pd.DataFrame(OUTCOMES), order=2)
    assert {"a > b", "b > c", "b > b", "c > direct"} <= set(second["source"])


# -- properties --------------------------------------------------------------------------------

journey = st.tuples(
    st.lists(st.sampled_from(["a", "b", "c", "direct"]), min_size=1, max_size=6), st.integers(0, 4), st.integers(0, 4)
)


def collapsed(touches):
    """Touches whose channel differs from the one before in the journey."""
    touches = touches.sort_values(["journey_id", "position"])
    same = touches["channel"].eq(touches["channel"].shift()) & touches["journey_id"].eq(touches["journey_id"].shift())
    return touches[~same]


@settings(max_examples=40, deadline=None)
@given(st.lists(journey, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_credits_sum_to_conversions_and_row_order_changes_nothing(journeys, random):
    touches, outcomes = tables(*journeys)
    mixed = [table.sample(frac=1, random_state=random.randrange(1000)) for table in (touches, outcomes)]
    won = outcomes["conversions"].sum()
    for rule in RULES:
        table = credits(touches, outcomes, rule=rule)
        assert table["conversions"].sum() == pytest.approx(won)
        assert table["value"].sum() == pytest.approx(10 * won)
        if won:
            assert table["share"].sum() == pytest.approx(1)
        pd.testing.assert_frame_equal(credits(*mixed, rule=rule), table)


@settings(max_examples=40, deadline=None)
@given(st.lists(journey, min_size=1, max_size=12), st.floats(0.01, 1000))
def test_scaling_value_scales_its_credits_and_leaves_conversions(journeys, factor):
    touches, outcomes = tables(*journeys)
    for rule in RULES:
        table = credits(touches, outcomes, rule=rule)
        more = credits(touches, outcomes.assign(value=factor * outcomes["value"]), rule=rule)
        np.testing.assert_allclose(more["value"], factor * table["value"], rtol=1e-9, atol=1e-9 * factor)
        np.testing.assert_allclose(more["conversions"], table["conversions"])


@settings(max_examples=40, deadline=None)
@given(st.lists(journey, min_size=1, max_size=12))
def test_collapsing_repeats_changes_no_order_1_or_set_credit(journeys):
    touches, outcomes = tables(*journeys)
    for rule in (markov(), shapley("count"), shapley("rate"), "first_touch", "last_touch"):
        before, after = credits(touches, outcomes, rule=rule), credits(collapsed(touches), outcomes, rule=rule)
        np.testing.assert_allclose(before["conversions"], after["conversions"], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(journey, min_size=1, max_size=10))
def test_aggregated_paths_and_single_journeys_give_the_same(journeys):
    single = [(path, won, 1 - won) for path, n, m in journeys for won in [1] * n + [0] * m] or [(("a",), 0, 1)]
    if not any(n + m for _, n, m in journeys):
        return
    for rule in RULES:
        whole, parts = by_channel(*tables(*journeys), rule=rule), by_channel(*tables(*single), rule=rule)
        assert {name: whole.get(name, 0) for name in parts} == pytest.approx(parts)


# -- decided edge cases ------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_no_touches_and_no_conversions(rule):
    touches, outcomes = tables(("ab", 0, 3), ("b", 0, 0))
    table = credits(touches, outcomes, rule=rule)
    assert table["conversions"].tolist() == [0, 0]
    assert table["share"].isna().all()
    empty = credits(touches.head(0), outcomes, rule=rule)
    assert empty.empty
    assert list(empty.columns) == ["channel", "conversions", "value", "share"]
    assert credits(touches.head(0), outcomes.head(0), rule=rule).empty


@pytest.mark.parametrize("rule", RULES)
def test_only_converting_journeys_and_a_single_touch(rule):
    only = by_channel(*tables(("a", 5, 0)), rule=rule)
    assert only == pytest.approx({"a": 5})
    assert sum(by_channel(*tables(("ab", 2, 0), ("c", 1, 0)), rule=rule).values()) == pytest.approx(3)


@pytest.mark.parametrize("rule", [*RULES[:6], shapley("count")])
def test_a_channel_that_never_converts_gets_nothing_where_journeys_stand_alone(rule):
    found = by_channel(*tables(("ab", 3, 1), ("c", 0, 9), ("bc", 0, 2)), rule=rule)
    assert found["c"] == 0


def test_a_channel_seen_once_is_credited_and_marked():
    touches, outcomes = tables(("a", 50, 50), ("ab", 1, 0))
    table = attribution.credit_intervals(touches, outcomes, rule="linear", rng=np.random.default_rng(1))
    assert table["credit"].tolist() == pytest.approx([50.5, 0.5])
    assert table["too_few"].tolist() == [False, True]
    assert table.loc[1, ["low", "high", "share_low", "rank_high"]].isna().all()
    assert table.loc[0, "low"] < 50.5 < table.loc[0, "high"]


def test_unordered_and_doubled_touches(frame):
    order = [3, 0, 7, 2, 1, 5, 6, 4, 4, 0]  # shuffled, two rows twice
    touches = {name: [values[row] for row in order] for name, values in TOUCHES.items()}
    for rule in RULES:
        found = by_channel(frame(touches), frame(OUTCOMES), rule=rule)
        assert found == pytest.approx(by_channel(frame(TOUCHES), frame(OUTCOMES), rule=rule))


def test_touches_at_one_position_go_by_time_then_channel(frame):
    early, late = datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 2)
    outcomes = frame({"journey_id": [1], "conversions": [1], "value": [1.0], "nulls": [0]})
    tied = {"journey_id": [1, 1], "position": [1, 1], "channel": ["z", "a"], "touched_at": [early, late]}
    assert by_channel(frame(tied), outcomes, rule="last_touch") == {"a": 1, "z": 0}
    same = tied | {"touched_at": [late, late]}
    assert by_channel(frame(same), outcomes, rule="last_touch") == {"a": 0, "z": 1}
    untimed = {name: tied[name] for name in ("journey_id", "position", "channel")}
    assert by_channel(frame(untimed), outcomes, rule="first_touch") == {"a": 1, "z": 0}


def test_missing_channels_keep_their_place_as_unknown(frame):
    touches = TOUCHES | {"channel": ["a", None, "c", "b", " ", "direct", "c", "direct"]}
    found = by_channel(frame(touches), frame(OUTCOMES), rule="linear")
    assert found == pytest.approx({"(unknown)": 2 / 3 + 0.5, "a": 2 / 3, "b": 0.5, "c": 2 / 3 + 0.5, "direct": 0.5})


def test_journeys_without_touches_are_left_out_and_touches_without_journeys_too():
    touches, outcomes = tables(("ab", 1, 1), ("", 7, 7))
    touches = pd.concat([touches, pd.DataFrame({"journey_id": [None], "position": [1], "channel": ["x"]})])
    assert by_channel(touches, outcomes, rule="linear") == pytest.approx({"a": 0.5, "b": 0.5})


@pytest.mark.parametrize("rule", ["linear", "markov", "shapley"])
def test_a_thousand_channels(rule):
    rng = np.random.default_rng(4)
    names = [f"channel {number:04d}" for number in range(1_000)]
    journeys = [(tuple(rng.choice(names, length)), 1, 1) for length in rng.integers(1, 6, 3_000)]
    table = credits(*tables(*journeys), rule=rule)
    assert table["conversions"].sum() == pytest.approx(3_000)
    assert (table["conversions"] >= 0).all()


def test_journey_ids_of_any_type_and_categorical_channels(frame):
    expected = by_channel(frame(TOUCHES), frame(OUTCOMES), rule="markov")
    text = {"journey_id": [f"j{number}" for number in TOUCHES["journey_id"]]}
    ends = OUTCOMES | {"journey_id": [f"j{number}" for number in OUTCOMES["journey_id"]]}
    assert by_channel(frame(TOUCHES | text), frame(ends), rule="markov") == pytest.approx(expected)
    far = {"journey_id": [10**15 * number for number in TOUCHES["journey_id"]]}
    ends = OUTCOMES | {"journey_id": [10**15 * number for number in OUTCOMES["journey_id"]]}
    assert by_channel(frame(TOUCHES | far), frame(ends), rule="markov") == pytest.approx(expected)
    category = pd.DataFrame(TOUCHES).astype({"channel": pd.CategoricalDtype(["x", "direct", "c", "b", "a"])})
    assert by_channel(category, pd.DataFrame(OUTCOMES), rule="markov") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("touches", "outcomes", "message"),
    [
        ({}, {"journey_id": [1, 2, 2, 4]}, "1 rows repeat a journey_id"),
        ({}, {"journey_id": [1, 2, 3, 5]}, "2 touches name journeys that outcomes lack"),
        ({}, {"journey_id": ["1", "2", "3", "4"]}, "make them one type|outcomes lack"),
        ({}, {"conversions": [1, -1, 0, 0]}, "conversions lies below 0 in 1 rows"),
        ({}, {"nulls": [1.0, None, 0.0, 0.0]}, "nulls is missing in 1 rows|nulls is not finite"),
        ({}, {"value": [1.0, float("inf"), 0.0, 0.0]}, "value is not finite in 1 rows"),
        ({"position": [1, 2, None, 1, 2, 1, 1, 2]}, {}, "position is missing in 1 rows"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(frame, touches, outcomes, message):
    with pytest.raises(DataError, match=message):
        credits(frame(TOUCHES | touches), frame(OUTCOMES | outcomes))


def test_missing_columns_and_no_frame_say_what_to_do(frame):
    with pytest.raises(MissingColumnsError, match="touches lacks 'channel'"):
        credits(frame({"journey_id": [1], "position": [1]}), frame(OUTCOMES))
    with pytest.raises(DataError, match="touches must be a data frame"):
        credits([1], frame(OUTCOMES))
    timed = TOUCHES | {"touched_at": [datetime.datetime(2026, 1, 1)] * 7 + [None]}
    with pytest.raises(DataError, match="touched_at is missing in 1 rows"):
        credits(frame(timed), frame(OUTCOMES), rule="time_decay")


# -- journeys from events ----------------------------------------------------------------------

NAMES = ("customer_id", "occurred_at", "channel", "conversions", "value")
EVENTS = [
    # Ann's search is 51 days before she converts: dropped. Mail on the instant of the conversion is before it.
    ("ann", datetime.datetime(2026, 1, 1, 9), "search", 0, 0.0),
    ("ann", datetime.datetime(2026, 2, 20), "mail", 0, 0.0),
    ("ann", datetime.datetime(2026, 2, 21), "mail", 0, 0.0),
    ("ann", datetime.datetime(2026, 2, 21), None, 1, 50.0),
    ("ann", datetime.datetime(2026, 3, 1), "search", 0, 0.0),  # a second journey, over on 31 March
    ("bob", datetime.datetime(2026, 1, 5), "ads", 0, 0.0),  # recorded twice
    ("bob", datetime.datetime(2026, 1, 5), "ads", 0, 0.0),
    ("cleo", datetime.datetime(2026, 3, 20), "ads", 0, 0.0),  # open: may still convert
    ("dan", datetime.datetime(2026, 3, 3), None, 1, 9.0),  # converts without a touch
    ("eve", datetime.datetime(2026, 3, 3), "ads", 1, 9.0),  # a touch that converts at once
    ("eve", datetime.datetime(2026, 4, 2), "ads", 1, 9.0),  # after as_of
    (None, datetime.datetime(2026, 3, 3), "ads", 0, 0.0),
]


def events_of(rows):
    return dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))


def test_journeys_equal_the_hand_worked_table_on_every_engine(frame):
    touches, outcomes = attribution.journeys(frame(events_of(EVENTS)), lookback_days=30, as_of="2026-03-31")
    assert frame.same_kind(touches)
    assert frame.same_kind(outcomes)
    rows = to_pandas(touches, sort_by=["journey_id", "position"])
    assert list(rows.columns) == ["journey_id", "position", "channel", "touched_at", "customer_id"]
    assert rows[["journey_id", "position", "channel"]].to_numpy().tolist() == [
        ["ann-0", 1, "mail"],
        ["ann-0", 2, "mail"],
        ["ann-1", 1, "search"],
        ["bob-0", 1, "ads"],
        ["cleo-0", 1, "ads"],
        ["eve-0", 1, "ads"],
    ]
    ends = to_pandas(outcomes, sort_by=["journey_id"])
    assert ends[["journey_id", "conversions", "value", "nulls"]].to_numpy().tolist() == [
        ["ann-0", 1, 50, 0],
        ["ann-1", 0, 0, 1],
        ["bob-0", 0, 0, 1],
        ["cleo-0", 0, 0, 0],
        ["dan-0", 1, 9, 0],
        ["eve-0", 1, 9, 0],
    ]
    assert ends["converted_at"].isna().tolist() == [False, True, True, True, False, False]


def test_journeys_feed_the_rules_and_the_contracts(frame):
    touches, outcomes = attribution.journeys(frame(events_of(EVENTS)), as_of="2026-03-31")
    assert by_channel(touches, outcomes, rule="last_touch") == {"ads": 1, "mail": 1, "search": 0}
    assert attribution.removal_effects(touches, outcomes)["probability"].iloc[0] == pytest.approx(2 / 4)


@pytest.mark.parametrize(("as_of", "nulls"), [("2026-02-28", 0), ("2026-03-01", 0), ("2026-03-02", 1)])
def test_a_journey_is_over_once_the_look_back_has_passed(frame, as_of, nulls):
    """Touched on 31 January at noon; 30 days later is 2 March at noon, and 2 March ends after it."""
    rows = [("ann", datetime.datetime(2026, 1, 31, 12), "ads", 0, 0.0)]
    _, outcomes = attribution.journeys(frame(events_of(rows)), as_of=as_of)
    assert to_pandas(outcomes)["nulls"].tolist() == [nulls]


def test_touches_on_the_edge_of_the_look_back_stay_and_as_of_defaults_to_the_last_event(frame):
    end = datetime.datetime(2026, 3, 31, 12)
    rows = [
        ("ann", end - datetime.timedelta(days=7, seconds=1), "too old", 0, 0.0),
        ("ann", end - datetime.timedelta(days=7), "edge", 0, 0.0),
        ("ann", end, "", 2, 9.0),
        ("ann", end, None, 1, 1.0),
        ("bob", end - datetime.timedelta(days=8), "ads", 0, 0.0),
        ("bob", end - datetime.timedelta(days=9), "old", 0, 0.0),
        ("bob", end - datetime.timedelta(days=16), "older", 0, 0.0),
    ]
    touches, outcomes = attribution.journeys(frame(events_of(rows)), lookback_days=7)
    assert to_pandas(touches, sort_by=["journey_id", "position"])["channel"].tolist() == ["edge", "old", "ads"]
    ends = to_pandas(outcomes, sort_by=["journey_id"])
    assert ends[["conversions", "value", "nulls"]].to_numpy().tolist() == [[3, 10, 0], [0, 0, 1]]


def test_one_instant_orders_touches_by_channel_and_integer_customers_work(frame):
    day = datetime.datetime(2026, 3, 1)
    rows = [
        (7, day, "z", 0, 0.0),
        (7, day, "a", 0, 0.0),
        (7, day, "a", 0, 0.0),
        (7, day, None, 1, 1.0),
        (7, day, "m", 0, 0.0),
    ]
    touches, outcomes = attribution.journeys(frame(events_of(rows)))
    table = to_pandas(touches, sort_by=["position"])
    assert table["channel"].tolist() == ["a", "m", "z"]
    assert set(table["journey_id"]) == {"7-0"}
    assert to_pandas(outcomes)["conversions"].tolist() == [1]


def test_no_events_give_no_journeys_and_bad_options_are_refused(frame):
    empty = nw.from_native(frame(events_of(EVENTS))).filter(nw.col("value") > 1_000).to_native()
    touches, outcomes = attribution.journeys(empty, as_of="2026-03-31")
    assert to_pandas(touches).empty
    assert to_pandas(outcomes).empty
    for options in ({"lookback_days": 0}, {"lookback_days": 1.5}, {"as_of": "31.3.2026"}):
        with pytest.raises(ParameterError, match=r"lookback_days is|YYYY-MM-DD"):
            attribution.journeys(frame(events_of(EVENTS)), **options)
    with pytest.raises(MissingColumnsError, match="events lacks 'value'"):
        attribution.journeys(frame({name: events_of(EVENTS)[name] for name in NAMES[:-1]}))


def test_paths_in_text_become_touches(frame):
    paths = {"path": ["a > b", "b", " ", "b>> a", None], "won": [2, 0, 1, 1, 1], "lost": [1, 5, 6, 7, 2]}
    touches, outcomes = attribution.from_paths(frame(paths), conversions="won", value=None, nulls="lost")
    assert frame.same_kind(touches)
    assert frame.same_kind(outcomes)
    rows = to_pandas(touches, sort_by=["journey_id", "position"])
    assert rows["journey_id"].tolist() == [1, 1, 2, 4, 4, 4]
    assert rows["channel"].tolist() == ["a", "b", "b", "b", "(unknown)", "a"]
    assert to_pandas(outcomes, sort_by=["journey_id"])["conversions"].tolist() == [2, 0, 1, 1, 1]
    assert sum(by_channel(touches, outcomes).values()) == pytest.approx(3)
    with pytest.raises(ParameterError, match="separator"):
        attribution.from_paths(frame(paths), separator=" ")
    with pytest.raises(MissingColumnsError, match="paths lacks 'conversions', 'value', 'nulls'"):
        attribution.from_paths(frame(paths))


def test_merged_paths_give_the_same_credits_from_fewer_rows(frame):
    paths = {
        "path": ["a > b", "b", None, " a > b ", "", "b"],
        "conversions": [2, 0, 1, 1, 2, 4],
        "value": [1.5, 0.0, 3.0, 2.0, 1.0, 8.0],
        "nulls": [1, 5, 0, 3, 1, 1],
    }
    touches, outcomes = attribution.from_paths(frame(paths), merged=True)
    assert frame.same_kind(touches)
    rows = to_pandas(outcomes, sort_by=["journey_id"])
    assert rows.to_numpy().tolist() == [[1, 3, 3.5, 4], [2, 4, 8.0, 6], [3, 3, 4.0, 1]]
    assert to_pandas(touches, sort_by=["journey_id", "position"])["channel"].tolist() == ["a", "b", "b"]
    for rule in RULES:
        pd.testing.assert_frame_equal(
            credits(touches, outcomes, rule=rule), credits(*attribution.from_paths(frame(paths)), rule=rule)
        )
    missing = frame(paths | {"nulls": [1, 5, 0, None, 1, 1]})
    with pytest.raises(DataError, match=r"nulls is missing in 1 rows|nulls is not finite"):
        credits(*attribution.from_paths(missing, merged=True))


def test_unordered_touches_are_ordered_alike_by_every_route(monkeypatch):
    """Packed into one number, or sorted by columns where that does not fit (positions far apart)."""
    touches, outcomes = tables(*random_journeys(13, "abcde", 200))
    mixed = touches.sample(frac=1, random_state=4)
    expected = read(touches, outcomes)
    for places in (mixed["position"], mixed["position"] * 2**60 // 8, mixed["position"] / 2, -1 / mixed["position"]):
        found = read(mixed.assign(position=places), outcomes)
        np.testing.assert_array_equal(found.codes, expected.codes)
        np.testing.assert_array_equal(found.starts, expected.starts)
    doubled = pd.concat([mixed, mixed.head(50)])
    np.testing.assert_array_equal(read(doubled, outcomes).codes, expected.codes)


# -- intervals ---------------------------------------------------------------------------------


def test_intervals_hold_the_populations_credit_about_as_often_as_they_say():
    """150 samples of 600 journeys from ten cells: coverage of each share within 3 standard errors of 95 %."""
    journeys = [("ab", 6, 14), ("a", 5, 18), ("bca", 7, 9), ("cb", 5, 12), ("c", 5, 19)]
    population = tables(*journeys)
    cells = np.array([count for _, won, lost in journeys for count in (won, lost)]) / 100
    rng = np.random.default_rng(6)
    for rule in (markov(), "linear", shapley("rate")):
        truth = credits(*population, rule=rule)["share"].to_numpy()
        held = []
        for _ in range(150):
            drawn = rng.multinomial(600, cells).reshape(-1, 2)
            outcomes = population[1].assign(conversions=drawn[:, 0], nulls=drawn[:, 1])
            table = attribution.credit_intervals(population[0], outcomes, rule=rule, rng=rng)
            held.append((table["share_low"] <= truth) & (truth <= table["share_high"]))
        coverage = np.mean(held, axis=0)
        assert (np.abs(coverage - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 150)).all(), (rule, coverage)


def test_customers_are_drawn_whole():
    """Each customer's ten journeys agree, so the effective sample is a tenth: intervals √10 as wide."""
    rng = np.random.default_rng(8)
    won = rng.random(300) < 0.5
    first = np.where(rng.random(300) < 0.5, "a", "b")
    journeys = [((name,), int(w), int(not w)) for name, w in zip(first, won, strict=True) for _ in range(10)]
    touches, outcomes = tables(*journeys)
    alone = attribution.credit_sample(touches, outcomes, rule="linear", rng=rng)
    whole = attribution.credit_sample(
        touches, outcomes.assign(customer_id=np.repeat(np.arange(300), 10)), rule="linear", rng=rng
    )
    assert whole.shares[0].std() / alone.shares[0].std() == pytest.approx(math.sqrt(10), rel=0.1)
    once = attribution.credit_sample(touches, outcomes.assign(customer_id=np.arange(3000)), rule="linear", rng=rng)
    assert once.shares[0].std() / alone.shares[0].std() == pytest.approx(1, rel=0.1)


def test_value_intervals_need_single_journeys():
    touches, outcomes = tables(*[("a", 1, 0, 10.0)] * 40, *[("b", 1, 0, 30.0)] * 40, *[("ab", 0, 1)] * 20)
    table = attribution.credit_intervals(
        touches, outcomes, rule="linear", measure="value", rng=np.random.default_rng(1)
    )
    assert table["credit"].tolist() == [400, 1200]
    # binomial(100, .4) conversions of 30 each: standard deviation 30 √(100 · .4 · .6) = 147
    assert table.loc[1, "high"] - table.loc[1, "low"] == pytest.approx(2 * 1.96 * 147, rel=0.15)
    with pytest.raises(DataError, match="needs the value of each journey"):
        attribution.credit_intervals(*tables(("a", 40, 0)), measure="value", rng=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"level": 1.0}, "between 0 and 1"), ({"replicates": 1}, "replicates is 1"), ({"measure": "money"}, "measure is")],
)
def test_impossible_intervals_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        attribution.credit_intervals(*tables(("a", 40, 0)), rng=np.random.default_rng(1), **options)
    with pytest.raises(DataError, match="no journeys to resample"):
        attribution.credit_intervals(*tables(("a", 0, 0)), rng=np.random.default_rng(1))
    with pytest.raises(DataError, match="whole numbers"):
        attribution.credit_intervals(*tables(("a", 1.5, 0)), rng=np.random.default_rng(1))


def test_paired_comparison_by_hand():
    """Differences of ±1 around 3 in turn: standard error 1 (n − 1), so p of a deviate of 3; Holm over two."""
    draws = np.array([[5.0, 3.0] * 500, [1.0] * 1000, [1.1, 0.9] * 500])
    table = attribution.paired_comparison(["a", "b", "c"], np.array([4.0, 1.0, 1.0]), draws, baseline="b", level=0.95)
    assert table["difference"].tolist() == [3, 0]
    assert table.loc[0, ["low", "high"]].tolist() == [2, 4]
    assert table.loc[0, "p_value"] == pytest.approx(0.0027, abs=1e-4)
    assert table["p_holm"].tolist() == pytest.approx([2 * table.loc[0, "p_value"], 1])
    assert table["distinct"].tolist() == [True, False]
    broken = np.array([[np.inf, 1.0], [1.0, 2.0]])
    row = attribution.paired_comparison(["a", "b"], np.array([1.0, 2.0]), broken, baseline="b").iloc[0]
    assert not row["distinct"]
    assert np.isnan(row["low"])
    with pytest.raises(ParameterError, match="baseline 'x'"):
        attribution.paired_comparison(["a", "b"], np.array([1.0, 2.0]), broken, baseline="x")


def test_equal_channels_cannot_be_told_apart_and_unequal_can():
    equal = attribution.credit_sample(*tables(("a", 100, 300), ("b", 104, 300)), rng=np.random.default_rng(1))
    assert not attribution.paired_comparison(equal.channels, equal.credit, equal.credits, baseline="a")[
        "distinct"
    ].any()
    far = attribution.credit_sample(*tables(("a", 100, 300), ("b", 250, 300)), rng=np.random.default_rng(1))
    assert attribution.paired_comparison(far.channels, far.credit, far.credits, baseline="a")["distinct"].all()


# -- money and truth ---------------------------------------------------------------------------

# A firm worth 10 a customer. Sponsorship opens 100 journeys that pay per click closes; it cost 500 and added
# 80 of them, pay per click 900 and 5. Direct closes 100 others and costs nothing.
FIRM = tables((["sponsorship", "pay per click"], 100, 300), (["direct"], 100, 500))
COSTS = pd.DataFrame({"channel": ["direct", "pay per click", "sponsorship"], "cost": [0.0, 900.0, 500.0]})
INCREMENTS = COSTS.assign(increment=[0, 5, 80])
ENDS = ["first_touch", "last_touch", "linear"]


def test_channel_costs_are_sums_on_every_engine(frame):
    table = attribution.channel_costs(frame({"channel": ["a", "b", "a", None], "cost": [1.0, 2.0, 0.5, 4.0]}))
    assert table.to_numpy().tolist() == [["(unknown)", 1, 4.0], ["a", 2, 1.5], ["b", 1, 2.0]]
    assert attribution.has_costs(frame({"channel": ["a"], "cost": [1.0]}))
    assert not attribution.has_costs(frame(TOUCHES))
    with pytest.raises(DataError, match="not finite in 2 rows"):
        attribution.channel_costs(frame({"channel": ["a", "b", "c"], "cost": [1.0, -2.0, None]}))
    with pytest.raises(MissingColumnsError, match="touches lacks 'cost'"):
        attribution.channel_costs(frame(TOUCHES))


def test_acquisition_costs_by_hand():
    """Last touch: pay per click 900 / 100 = 9, sponsorship has nobody and so no interval, direct is free."""
    sample = attribution.credit_sample(*FIRM, rule="last_touch", rng=np.random.default_rng(1))
    table = attribution.acquisition_costs(sample, COSTS, worth=15).set_index("channel")
    assert list(table.index) == ["sponsorship", "pay per click", "direct"]
    assert table["cost_per_customer"].tolist() == [np.inf, 9, 0]
    assert table["verdict"].tolist() == ["unclear", "earns", "no cost"]
    # binomial(1000, .1) customers: 100 ± 1.96 · 9.49
    assert table.loc["pay per click", "low"] == pytest.approx(900 / 118.6, rel=0.03)
    assert table.loc["pay per click", "high"] == pytest.approx(900 / 81.4, rel=0.03)
    verdicts = [
        attribution.acquisition_costs(sample, COSTS, worth=worth).set_index("channel")["verdict"]["pay per click"]
        for worth in (5, 9, 20)
    ]
    assert verdicts == ["loses", "unclear", "earns"]
    with pytest.raises(ParameterError, match="worth is 0"):
        attribution.acquisition_costs(sample, COSTS, worth=0)


def test_too_few_conversions_leave_the_verdict_open():
    sample = attribution.credit_sample(*tables(("a", 20, 20)), rule="linear", rng=np.random.default_rng(1))
    costs = pd.DataFrame({"channel": ["a"], "cost": [10.0]})
    assert attribution.acquisition_costs(sample, costs, worth=100)["verdict"].tolist() == ["unclear"]


def test_costs_by_rule_lay_the_rules_side_by_side():
    wide = attribution.costs_by_rule(attribution.credits_by_rule(*FIRM, ENDS), COSTS)
    assert list(wide.columns) == ["first touch", "last touch", "linear"]
    assert wide.loc["pay per click"].tolist() == [np.inf, 9, 18]
    assert wide.loc["sponsorship"].tolist() == [5, np.inf, 10]


def test_true_costs_have_wilsons_interval_for_the_number_added():
    table = attribution.true_acquisition_costs(INCREMENTS, journeys=1_000, worth=10).set_index("channel")
    assert table["verdict"].to_dict() == {"pay per click": "loses", "sponsorship": "earns", "direct": "no cost"}
    assert table["cost_per_customer"].to_dict() == {"pay per click": 180, "sponsorship": 6.25, "direct": 0}
    low, high = wilson_by_root_finding(80, 1_000)
    assert table.loc["sponsorship", ["high", "low"]].tolist() == pytest.approx([0.5 / low, 0.5 / high], rel=1e-3)
    nobody = attribution.true_acquisition_costs(INCREMENTS.assign(increment=0), journeys=1_000, worth=10)
    assert (nobody.loc[nobody["cost"] > 0, "low"] > 10).all()
    assert np.isinf(nobody.loc[nobody["cost"] > 0, "high"]).all()


def wilson_by_root_finding(count, n):
    """All p that a score test of the count does not reject, on a fine grid."""
    p = np.linspace(0, 1, 1_000_001)
    inside = np.abs(count / n - p) <= 1.959964 * np.sqrt(p * (1 - p) / n)
    return p[inside].min(), p[inside].max()


def test_bias_is_credit_minus_truth_in_customers_and_shares():
    bias = attribution.rule_bias(attribution.credits_by_rule(*FIRM, ENDS), INCREMENTS).set_index(["rule", "channel"])
    assert bias.loc[("last touch", "pay per click"), ["credit", "increment", "bias"]].tolist() == [100, 5, 95]
    assert bias.loc[("first touch", "sponsorship"), "share_bias"] == pytest.approx(100 / 200 - 80 / 85)


def test_cuts_go_by_cost_per_credited_customer_and_are_judged_by_the_truth():
    """Half of 1,400 is 700. First touch cuts 700 of pay per click's 900: 5 · 7/9 customers. Last touch cuts all of
    sponsorship (80) and 200 of pay per click (5 · 2/9). Linear: 18 against 10, as first touch. So does the truth."""
    table = attribution.misplaced_budget(attribution.credits_by_rule(*FIRM, ENDS), INCREMENTS, cut=0.5, worth=10)
    lost = table.set_index("rule")["customers_lost"]
    small, large = 5 * 7 / 9, 80 + 5 * 2 / 9
    assert lost.to_dict() == pytest.approx(
        {"the truth": small, "first touch": small, "linear": small, "last touch": large}
    )
    assert table.set_index("rule")["lost_profit"]["last touch"] == pytest.approx(10 * (large - small))
    # shares of last touch: pay per click .5, direct .5; true: 5/85, 80/85
    misplaced = table.set_index("rule")["misplaced_share"]["last touch"]
    assert misplaced == pytest.approx((0.5 - 5 / 85 + 0.5 + 80 / 85) / 2)
    with pytest.raises(ParameterError, match=r"cut is 1\.5"):
        attribution.misplaced_budget(attribution.credits_by_rule(*FIRM, ENDS), INCREMENTS, cut=1.5, worth=10)


def test_holdout_is_newcombes_published_difference():
    """Newcombe (1998), table II, example a: 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    came, stayed = (pd.Series([1] * won + [0] * lost) for won, lost in ((56, 14), (48, 32)))
    effect = attribution.holdout_effect(came, stayed, journeys=1_000)
    assert effect["increment"] == pytest.approx(200)
    assert effect[["low", "high"]].tolist() == pytest.approx([52.4, 333.9], abs=0.06)
    # score test: z = .2 / √(104/150 · 46/150 · (1/70 + 1/80) · 150/149) = 2.641
    assert effect["p_value"] == pytest.approx(0.00826, abs=2e-5)
    none = attribution.holdout_effect(came * 0, stayed * 0, journeys=10)
    assert (none["increment"], none["p_value"]) == (0, 1)
    with pytest.raises(DataError, match="one of the two groups is empty"):
        attribution.holdout_effect(came, stayed.head(0), journeys=10)


def test_holdouts_cover_the_simulated_truth():
    """Sponsorship held out by lot in 60 draws on one firm: the interval holds the increment in about 95 %."""
    options = {"customers": 2_000, "tables": ("touches", "outcomes")}
    firm, without = (
        data.simulate(np.random.default_rng(4), **options, channels_off=off) for off in ((), ("sponsorship",))
    )
    added = firm.truth.channel_increments().set_index("channel").loc["sponsorship", "increment"]
    came, stayed = (to_pandas(part["outcomes"])["conversions"] for part in (firm, without))
    rng = np.random.default_rng(9)
    held = []
    for _ in range(60):
        lot = rng.random(len(came)) < 0.5
        effect = attribution.holdout_effect(came[lot], stayed[~lot], journeys=len(came))
        held.append(effect["low"] <= added <= effect["high"])
    assert np.mean(held) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 60)


def test_simulated_firm_reconciles_with_its_truth():
    firm = data.simulate(np.random.default_rng(4), customers=2_000)
    increments = firm.truth.channel_increments().set_index("channel")
    costs = attribution.channel_costs(firm["touches"]).set_index("channel")
    np.testing.assert_allclose(costs["cost"], increments.loc[costs.index, "cost"])
    table = credits(firm["touches"], firm["outcomes"], rule="last_touch")
    assert table["conversions"].sum() == firm.rows["customers"] == increments["conversions"].iloc[0]
    assert table["value"].sum() == pytest.approx(to_pandas(firm["outcomes"])["value"].sum())


def test_journeys_until_a_day_leaves_out_those_that_go_on(frame):
    day = datetime.datetime(2026, 1, 31, 23)
    later = day + datetime.timedelta(hours=2)
    touches = frame({"journey_id": [1, 2, 2, 3], "channel": list("abca"), "touched_at": [day, day, later, day]})
    outcomes = frame({"journey_id": [1, 2, 3, 4], "converted_at": [day, None, later, None]})
    kept, ends = attribution.journeys_until(touches, outcomes, "2026-01-31")
    assert frame.same_kind(kept)
    assert to_pandas(kept)["journey_id"].tolist() == [1]
    assert sorted(to_pandas(ends)["journey_id"]) == [1, 4]
    assert attribution.journeys_until(touches, outcomes, "")[0] is touches
    with pytest.raises(ParameterError, match="these touches have no times; leave as_of empty"):
        attribution.journeys_until(frame(TOUCHES), outcomes, "2026-01-31")


# -- conclusions -------------------------------------------------------------------------------


def priced(*rows):
    names = ["channel", "cost", "customers", "cost_per_customer", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=names)


GOOD = ("mail", 10.0, 5, 2.0, 1.5, 3.0, "earns")
BAD = ("clicks", 90.0, 3, 30.0, 20.0, 60.0, "loses")
OPEN = ("radio", 50.0, 5, 10.0, 5.0, 20.0, "unclear")
NOBODY = ("fairs", 40.0, 0, np.inf, 25.0, np.inf, "loses")
FREE = ("direct", 0.0, 9, 0.0, 0.0, 0.0, "no cost")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [BAD, GOOD, FREE],
            "90 % of the budget goes to channels that do not earn it, clicks: a customer really added by clicks costs "
            "USD 30.00 (95 % interval USD 20.00 to USD 60.00), against the USD 10.00 that one is worth; end them",
        ),
        ([NOBODY, BAD, GOOD], "fairs and clicks: a customer really added by clicks costs USD 30.00"),
        ([NOBODY, GOOD], "fairs costs USD 40 and has no customer really added, so at least USD 25.00 each"),
        ([OPEN, GOOD], "no paid channel is shown to lose its budget, and radio cannot be told either way"),
        ([GOOD, FREE], "every paid channel earns its budget: a customer really added by mail costs USD 2.00"),
    ],
)
def test_the_answer_takes_its_direction_from_the_verdicts(rows, words):
    finding = attribution.conclusions.answer(priced(*rows), worth=10, currency="USD", where="the firm")
    assert words in finding.sentence


def test_the_answer_by_a_rule_says_whose_credit_it_is_and_asks_for_a_test():
    answer = attribution.conclusions.answer
    options = {"worth": 10, "currency": "USD", "where": "source shop", "by": "last touch"}
    lost = answer(priced(BAD, GOOD), **options).sentence
    assert "a customer credited by last touch to clicks" in lost
    assert "hold them out at random" in lost
    assert "may have come anyway" in answer(priced(GOOD), **options).sentence
    with pytest.raises(DataError, match="no channel of source shop costs anything"):
        answer(priced(FREE), **options)


def test_overpaid_names_both_ends():
    bias = attribution.rule_bias(attribution.credits_by_rule(*FIRM, ENDS), INCREMENTS)
    finding = attribution.conclusions.overpaid(bias[bias["channel"] != "direct"], "last touch", where="the firm")
    assert finding.sentence == (
        "On the firm last touch credits pay per click with 100 customers, 95 more than the 5 that it added, and "
        "sponsorship with 0, though it added 80."
    )
    assert finding.value == 95
    assert finding.label == "Excess credit of pay per click by last touch"


def test_no_excess_is_told_where_every_channel_gets_too_little():
    bias = attribution.rule_bias(attribution.credits_by_rule(*FIRM, ENDS), INCREMENTS)
    row = bias[(bias["rule"] == "last touch") & (bias["channel"] == "sponsorship")]  # credited with 0, added 80
    sentence = attribution.conclusions.overpaid(row, "last touch", where="the firm").sentence
    assert "credits sponsorship with 0 customers, of the 80 that it added, and" in sentence


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (
            (10, -5, 25),
            "fewer than the 90 that would pay for it at USD 10.00 each; that refutes the 100 that last touch",
        ),
        ((120, 95, 145), "more than the 90 that would pay for it at USD 10.00 each; that agrees with the 100"),
        ((170, 150, 190), "more than the 90 that would pay for it at USD 10.00 each; that exceeds the 100"),
        (
            (80, 50, 110),
            "leaves open whether they are the 90 that would pay for it at USD 10.00 each; that agrees with the 100",
        ),
    ],
)
def test_holdout_refutes_agrees_or_exceeds(effect, words):
    row = pd.Series(dict(zip(["increment", "low", "high"], effect, strict=True)) | {"detectable": 30})
    claim = pd.Series({"rule": "last touch", "channel": "clicks", "credit": 100})
    finding = attribution.conclusions.holdout(row, claim, cost=900, currency="USD", worth=10)
    assert words in finding.sentence
    assert finding.sentence.endswith("So large a test finds 30 added customers in 80 % of draws.")


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((5, 65), "which refutes the 100 of last touch: the interval is 2.0 times as wide as that of prospects"),
        ((-40, 110), "which allows the 100 of last touch: the interval is 5.0 times as wide"),
        ((120, 149), "which exceeds the 100 of last touch: the interval is about as wide as"),
        ((120, 140), "the interval is narrower than"),
        ((-np.inf, np.inf), "is found to add 35 customers, of so few regions without an interval."),
    ],
)
def test_a_regional_holdout_is_set_beside_the_rule_and_the_prospects(ends, words):
    row = pd.Series({"increment": 35, "low": ends[0], "high": ends[1], "regions_with": 20, "regions_without": 20})
    claim = pd.Series({"rule": "last touch", "channel": "clicks", "credit": 100})
    finding = attribution.conclusions.regional_holdout(row, pd.Series({"low": 0, "high": 30}), claim)
    assert finding.sentence.startswith("Held out from 20 of 40 regions instead, clicks is found to add 35")
    assert words in finding.sentence


def test_cut_names_the_worst_and_the_best_rule():
    credited = attribution.credits_by_rule(*FIRM, ENDS)
    ranking = attribution.misplaced_budget(credited, INCREMENTS, cut=0.5, worth=10)
    sentence = attribution.conclusions.cut(ranking, cut=0.5, currency="USD", where="the firm").sentence
    assert (
        "where last touch finds customers dearest loses 81 customers (USD 772 of profit more than need be)" in sentence
    )
    assert "where first touch does 4, and where the truth does 4" in sentence
    same = attribution.misplaced_budget(credited, INCREMENTS, cut=0, worth=10)
    assert "by any rule 0 customers" in attribution.conclusions.cut(same, cut=0, currency="USD", where="it").sentence


def test_the_ranking_says_which_neighbours_cannot_be_told_apart():
    journeys = [("a", 100, 300), ("b", 104, 300), ("c", 300, 300), ("d", 5, 300)]
    sample = attribution.credit_sample(*tables(*journeys), rule="linear", rng=np.random.default_rng(1))
    table = attribution.ranking(sample)
    assert table["channel"].tolist() == ["c", "b", "a", "d"]
    assert table["sentence"].tolist() == [
        "c is ahead of b.",
        "b cannot be told apart from a.",
        "a: too few conversions to compare with d.",
        "",
    ]
    assert table["difference"].iloc[:3].tolist() == pytest.approx([196 / 509, 4 / 509, 95 / 509])
    # b leads a in about Φ(4 / √204) = 61 % of the draws; c always leads
    assert table["place_kept"].iloc[0] == 1
    assert table["place_kept"].iloc[1] == pytest.approx(0.61, abs=0.06)
    assert table.loc[1, ["rank_low", "rank_high"]].tolist() == [2, 3]
    alone = attribution.credit_sample(*tables(("a", 40, 0)), rule="linear", rng=np.random.default_rng(1))
    assert attribution.ranking(alone)[["channel", "sentence"]].to_numpy().tolist() == [["a", ""]]


def test_rates_of_channels_that_hardly_convert_alone_get_no_interval():
    journeys = [("a", 40, 60), ("b", 9, 60), ("ab", 40, 60), ("ca", 40, 60)]
    options = {"rule": shapley("rate"), "replicates": 50, "rng": np.random.default_rng(1)}
    table = attribution.credit_intervals(*tables(*journeys), **options)
    assert table["too_few"].tolist() == [False, True, False]  # c is never alone: its rate there is 0, for sure


def test_credit_that_rests_on_few_conversions_gets_no_interval():
    """A hundred conversions touched b; last touch credits it with nine of them, linear with half of each."""
    journeys = [("ab", 9, 50), ("ba", 91, 50)]
    options = {"replicates": 50, "rng": np.random.default_rng(1)}
    last = attribution.credit_intervals(*tables(*journeys), rule="last_touch", **options)
    assert last["too_few"].tolist() == [False, True]
    assert not attribution.credit_intervals(*tables(*journeys), rule="linear", **options)["too_few"].any()
    # of twelve touches in one journey and one in forty: (4 + 40 / 12)^2 / (4 + 40 / 144) = 12.6 conversions
    uneven = tables(("b", 4, 5), ("b" + "a" * 11, 40, 5))
    assert not attribution.credit_intervals(*uneven, rule="linear", **options)["too_few"].any()
    fewer = tables(("b", 2, 5), ("b" + "a" * 29, 40, 5))  # (2 + 40 / 30)^2 / (2 + 40 / 900) = 5.4
    assert attribution.credit_intervals(*fewer, rule="linear", **options)["too_few"].tolist() == [False, True]


def test_skewed_credits_have_intervals_that_reach_further_up():
    """Of 36 conversions in 4,000 the score interval reaches 0.76 down and 1.08 up, in their standard errors."""
    touches, outcomes = tables(("a", 36, 3_964), ("b", 2_000, 2_000))
    row = attribution.credit_intervals(
        touches, outcomes, rule="linear", replicates=4_000, rng=np.random.default_rng(3)
    ).iloc[0]
    # exact Poisson (Garwood) interval of 36: 25.2 to 49.8; the percentile one is about 25 to 48
    assert (row["low"], row["high"]) == (pytest.approx(25.2, abs=1.1), pytest.approx(49.8, abs=1.1))


def test_leader_is_ahead_or_cannot_be_told_apart():
    for counts, words in (((100, 104), "cannot be told apart from that of a"), ((100, 250), "ahead of a")):
        journeys = [(name, won, 300) for name, won in zip("ab", counts, strict=True)]
        sample = attribution.credit_sample(*tables(*journeys), rule="linear", rng=np.random.default_rng(1))
        finding = attribution.conclusions.leader(sample, where="source shop")
        assert words in finding.sentence
        assert finding.value == pytest.approx(counts[1] / sum(counts), rel=1e-4)
    alone = attribution.credit_sample(*tables(("a", 40, 0)), rule="linear", rng=np.random.default_rng(1))
    assert attribution.conclusions.leader(alone, where="it").sentence.endswith(
        "100.0 % (95 % interval 100.0 % to 100.0 %)."
    )
    never = attribution.credit_sample(*tables(("a", 0, 40)), rule="linear", rng=np.random.default_rng(1))
    assert attribution.conclusions.leader(never, where="it").value is None


def test_disagreement_names_the_channel_and_both_rules():
    finding = attribution.conclusions.disagreement(attribution.credits_by_rule(*FIRM, ENDS), where="the firm")
    assert "by 50.0 points, from 0.0 % of conversions" in finding.sentence
    with pytest.raises(DataError, match="no journey with a touch converted"):
        attribution.share_table(attribution.credits_by_rule(*tables(("a", 0, 3)), ENDS))
