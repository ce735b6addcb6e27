"""Share of wallet, double jeopardy, and the NBD-Dirichlet that says what a brand's size implies."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import data, models, wallet
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas

# Three households, a category "tea" of brands P and Q (and coffee, which must not count):
#   1: order 10 buys P on two lines (3 + 1), order 11 P (2); 2: order 12 P (4) and Q (6); 3: only coffee.
LINES = {
    "order_id": [10, 10, 11, 12, 12, 13],
    "product_id": [1, 2, 1, 1, 3, 4],
    "amount": [3.0, 1.0, 2.0, 4.0, 6.0, 9.0],
}
PRODUCTS = {
    "product_id": [1, 2, 3, 4, 5],
    "category": ["tea", "tea", "tea", "coffee", "tea"],
    "brand": ["P", "P", "Q", "P", None],
}
ORDERS = {
    "order_id": [10, 11, 12, 13],
    "customer_id": [1, 1, 2, 3],
    "ordered_at": [datetime.datetime(2026, 1, day, 23) for day in (1, 2, 3, 4)],
}


def bought(frame, **options):
    made = [frame(table) for table in (LINES, PRODUCTS, ORDERS)]
    return wallet.brand_purchases(made[0], made[1], orders=made[2], category="tea", **options)


def test_purchases_count_orders_not_lines_on_every_engine(frame):
    result = bought(frame)
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id", "brand"])
    assert table.to_numpy().tolist() == [[1, "P", 2, 6.0], [2, "P", 1, 4.0], [2, "Q", 1, 6.0]]


def test_a_return_is_money_but_no_purchase(frame):
    """Household 1 sends one line of order 11's P back in order 14, household 3 only returns Q."""
    more = {"order_id": [14, 15], "product_id": [1, 3], "amount": [-2.0, -6.0]}
    lines = {name: [*values, *more[name]] for name, values in LINES.items()}
    moments = [*ORDERS["ordered_at"], *[datetime.datetime(2026, 1, 6)] * 2]
    orders = {"order_id": [10, 11, 12, 13, 14, 15], "customer_id": [1, 1, 2, 3, 1, 3], "ordered_at": moments}
    table = wallet.brand_purchases(frame(lines), frame(PRODUCTS), orders=frame(orders), category="tea")
    assert frame.same_kind(table)
    found = to_pandas(table, sort_by=["customer_id", "brand"])
    assert found.to_numpy().tolist() == [[1, "P", 2, 4.0], [2, "P", 1, 4.0], [2, "Q", 1, 6.0]]


def test_first_and_last_day_count(frame):
    table = to_pandas(bought(frame, start="2026-01-02", end="2026-01-02"))
    assert table.to_numpy().tolist() == [[1, "P", 1, 2.0]]
    with pytest.raises(MissingColumnsError, match="products lacks 'maker'"):
        bought(frame, brand="maker")
    with pytest.raises(ParameterError, match="give a date"):
        bought(frame, start="yesterday")


def test_share_of_wallet_by_hand(frame):
    result = wallet.share_of_wallet(bought(frame), brand="Q")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table.to_numpy().tolist() == [[1, 0.0, 6.0, 0.0], [2, 6.0, 10.0, 0.6]]


def test_matrix_keeps_who_bought_nothing_and_joins_small_brands(frame):
    everybody = frame({"customer_id": [1, 2, 3]})
    matrix = wallet.brand_matrix(bought(frame), households=everybody, largest=1)
    assert matrix.columns.tolist() == ["P", "other brands"]
    assert matrix.to_numpy().tolist() == [[2, 0], [1, 1], [0, 0]]
    assert wallet.brand_matrix(bought(frame)).index.tolist() == [1, 2]
    named = wallet.brand_matrix(bought(frame), brands=["Q", "R"])
    assert named.to_numpy().tolist() == [[0, 0, 2], [1, 0, 1]]
    with pytest.raises(DataError, match="no purchases"):
        wallet.brand_matrix(bought(frame, start="2030-01-01"))


MATRIX = pd.DataFrame({"P": [2, 1, 0, 3], "Q": [0, 1, 0, 0]})


def test_measures_by_hand():
    """Households 2/0, 1/1, 0/0, 3/0: P has 3 of 4 as buyers, 6 of 7 purchases, two of them buy nothing else."""
    table = wallet.brand_measures(MATRIX, rng=np.random.default_rng(1), replicates=50).set_index("brand")
    names = ["market_share", "penetration", "purchases_per_buyer", "category_purchases_per_buyer", "category_share"]
    assert table.loc["P", names].tolist() == pytest.approx([6 / 7, 0.75, 2, 7 / 3, 6 / 7])
    assert table.loc["Q", names].tolist() == pytest.approx([1 / 7, 0.25, 1, 2, 0.5])
    assert table.loc["P", ["sole_share", "sole_purchases"]].tolist() == pytest.approx([2 / 3, 2.5])
    assert table.loc["Q", "sole_share"] == 0
    assert np.isnan(table.loc["Q", "sole_purchases"])
    assert table.filter(regex="_low|_high").isna().all(axis=None)  # three buyers get no interval
    with pytest.raises(DataError, match="no purchases"):
        wallet.brand_measures(MATRIX * 0, rng=np.random.default_rng(1))


def test_repeat_shares_by_hand():
    second = pd.DataFrame({"P": [1, 0], "Q": [0, 2]}, index=[0, 1])
    table = wallet.repeat_shares(MATRIX, second)
    assert table[["buyers", "again", "repeat_share"]].to_numpy().tolist() == [[3, 1, 1 / 3], [1, 1, 1]]


def test_double_jeopardy_line_is_met_by_brands_on_it():
    """w (1 - b) = 2 for all: no excess. One brand above it: excess against the common line."""
    b = np.array([0.5, 0.2, 0.1])
    brands = pd.DataFrame({"brand": list("PQR"), "penetration": b, "purchases_per_buyer": 2 / (1 - b)})
    table = wallet.double_jeopardy(brands)
    np.testing.assert_allclose(table["excess"], 0, atol=1e-12)
    everybody = pd.DataFrame({"brand": ["P", "Q"], "penetration": [1.0, 0.5], "purchases_per_buyer": [3.0, 2.0]})
    assert np.isnan(wallet.double_jeopardy(everybody)["expected"][0])
    with pytest.raises(DataError, match="above 0 and at most 1"):
        wallet.double_jeopardy(everybody.assign(penetration=0.0))


def test_wallet_allocation_rule(published):
    entry = published("wallet_allocation")
    np.testing.assert_allclose(wallet.wallet_allocation([1, 2, 3]), entry["values"], atol=entry["tolerance"])
    assert wallet.wallet_allocation([7]).tolist() == [1]
    np.testing.assert_allclose(wallet.wallet_allocation([1, 1, 5]), [5 / 12, 5 / 12, 1 / 6])  # mean of .5 and .333
    for n in range(1, 9):
        assert wallet.wallet_allocation(np.random.default_rng(n).permutation(n)).sum() == pytest.approx(1)
    with pytest.raises(DataError, match="none missing"):
        wallet.wallet_allocation([1, np.nan])


# -- NBD-Dirichlet -----------------------------------------------------------------------------


def toothpaste(published):
    entry = published("dirichlet_toothpaste")
    values = entry["values"]
    names = [f"brand {i}" for i in range(8)]
    brands = pd.DataFrame({"brand": names, **{name: values[name] for name in ("market_share", "penetration")}})
    market = models.dirichlet_from_measures(values["category_penetration"], values["purchases_per_buyer"], brands)
    return market, entry


def test_toothpaste_parameters_are_the_published_ones(published):
    market, entry = toothpaste(published)
    for name in ("M", "K", "S"):
        assert getattr(market, name) == pytest.approx(entry["values"][name], abs=entry["tolerance"])
    assert market.category_penetration() == pytest.approx(0.56)


def simulated(households, m, k, alphas, seed):
    """Rates gamma, brand probabilities Dirichlet, purchases drawn: nothing of the code under test."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rng.gamma(k, m / k, households))
    tastes = rng.dirichlet(alphas, households)
    return np.array([rng.multinomial(n, p) for n, p in zip(count, tastes, strict=True)]), tastes, rng


def test_brand_measures_are_those_of_a_simulated_market():
    """200,000 households drawn: every measure within 4 standard errors (or 1 %) of its formula."""
    alphas = np.array([0.6, 0.3, 0.1])
    x, _, _ = simulated(200_000, 2.0, 0.8, alphas, 1)
    market = models.DirichletMarket(2.0, 0.8, 1.0, pd.Series(alphas, ["P", "Q", "R"]))
    table = market.brand_measures().set_index("brand")
    total = x.sum(axis=1)
    for j, brand in enumerate(table.index):
        buys = x[:, j] > 0
        only = buys & (x[:, j] == total)
        seen = {
            "penetration": buys.mean(),
            "purchases_per_buyer": x[buys, j].mean(),
            "category_purchases_per_buyer": total[buys].mean(),
            "category_share": x[buys, j].sum() / total[buys].sum(),
            "sole_share": only.sum() / buys.sum(),
            "sole_purchases": x[only, j].mean(),
        }
        for name, value in seen.items():
            assert table.loc[brand, name] == pytest.approx(value, rel=0.025), (brand, name)
    assert market.category_penetration() == pytest.approx((total > 0).mean(), abs=0.005)
    both = ((x[:, 0] > 0) & (x[:, 1] > 0)).sum()
    duplication = market.duplication()
    assert duplication.loc["P", "Q"] == pytest.approx(both / (x[:, 0] > 0).sum(), rel=0.02)
    assert duplication.loc["Q", "P"] == pytest.approx(both / (x[:, 1] > 0).sum(), rel=0.02)


def test_repeat_is_that_of_two_periods_of_the_same_households():
    rng = np.random.default_rng(2)
    n, m, k, alphas = 200_000, 1.5, 0.7, np.array([0.8, 0.4])
    rate, taste = rng.gamma(k, m / k, n), rng.dirichlet(alphas, n)[:, 0]
    first, second = (rng.poisson(rate * taste) for _ in range(2))
    market = models.DirichletMarket(m, k, 1.2, pd.Series([2 / 3, 1 / 3], ["P", "Q"]))
    expected = market.brand_measures().loc[0, "repeat_share"]
    assert expected == pytest.approx((second[first > 0] > 0).mean(), rel=0.01)


def test_small_brands_are_punished_twice(published):
    market, _ = toothpaste(published)
    table = market.brand_measures().sort_values("market_share")
    for name in ("penetration", "purchases_per_buyer", "category_share", "sole_share", "repeat_share"):
        assert table[name].is_monotonic_increasing, name
    assert table["category_purchases_per_buyer"].is_monotonic_decreasing


def test_likelihood_recovers_the_truth_and_its_score_is_its_slope():
    from scipy.optimize import approx_fprime

    alphas = np.array([0.6, 0.35, 0.15])
    x, _, _ = simulated(6_000, 3.0, 0.8, alphas, 3)
    truth = np.array([3.0, 0.8, *alphas])
    for only in (False, True):
        rows = x[x.sum(axis=1) > 0] if only else x
        model = models.Dirichlet(pd.DataFrame(rows, columns=["P", "Q", "R"]), buyers_only=only)
        found = model.fit()
        assert found.params.index.tolist() == ["M", "K", "alpha: P", "alpha: Q", "alpha: R"]
        assert np.all(np.abs(found.params - truth) <= 4 * found.bse), only
        at = np.array([2.5, 1.1, 0.5, 0.4, 0.2])
        slope = approx_fprime(at, model.loglike, 1e-6)
        np.testing.assert_allclose(model.score(at), slope, rtol=1e-3, atol=0.5)
        s, low, high = found.switching_interval(0.999)
        assert low < 1.1 < high
        assert s == pytest.approx(found.params.iloc[2:].sum())
        assert found.market.shares["P"] == pytest.approx(6 / 11, abs=0.03)


def test_likelihood_is_the_product_of_its_parts():
    """The count's NBD (SciPy's) times the split's Dirichlet-multinomial (SciPy's), summed by hand."""
    from scipy.special import gammaln
    from scipy.stats import dirichlet_multinomial, nbinom

    x = np.array([[2, 1], [0, 0], [1, 0], [0, 3]])
    m, k, alphas = 1.7, 0.9, [0.5, 0.8]
    n = x.sum(axis=1)
    count = nbinom.logpmf(n, k, k / (k + m))
    rows = list(zip(x, n, strict=True))
    split = np.array([dirichlet_multinomial.logpmf(row, alphas, t) if t else 0.0 for row, t in rows])
    # the model leaves out the multinomial coefficient, which does not move the estimates
    coefficient = gammaln(n + 1) - gammaln(x + 1).sum(axis=1)
    coded = models.Dirichlet(x).loglike([m, k, *alphas])
    assert coded == pytest.approx((count + split - coefficient).sum())
    weighted = models.Dirichlet(x, weights=[2, 2, 2, 2]).loglike([m, k, *alphas])
    assert weighted == pytest.approx(2 * coded)


@pytest.mark.parametrize(
    ("purchases", "options", "message"),
    [
        ([[1.5, 0], [1, 2]], {}, "whole numbers"),
        ([[1, -1], [1, 2]], {}, "whole numbers"),
        ([[1, 0], [2, 0]], {}, "nobody bought brand 2"),
        ([[1], [2]], {}, "one brand only"),
        ([1, 2], {}, "2\\+ brands"),
        ([[1, 0], [0, 1]], {}, "nobody bought twice"),
        ([[1, 2], [0, 0]], {"buyers_only": True}, "have no purchase"),
    ],
)
def test_impossible_purchases_are_refused(purchases, options, message):
    with pytest.raises(DataError, match=message):
        models.Dirichlet(purchases, **options)


def test_impossible_markets_are_refused():
    one = pd.DataFrame({"brand": ["P"], "market_share": [0.5], "penetration": [0.3]})
    with pytest.raises(DataError, match="between 0 and 1"):
        models.dirichlet_from_measures(1.2, 2, one)
    with pytest.raises(DataError, match="no S gives the penetrations of P"):
        models.dirichlet_from_measures(0.5, 3, one.assign(penetration=0.01))
    with pytest.raises(DataError, match="K would be infinite"):
        models.dirichlet_from_measures(0.9, 1.05, one)
    with pytest.raises(ParameterError, match="M is -1"):
        models.DirichletMarket(-1, 1, 1, pd.Series({"P": 0.5}))
    with pytest.raises(ParameterError, match="at most 1"):
        models.DirichletMarket(1, 1, 1, pd.Series({"P": 0.7, "Q": 0.7}))
    with pytest.raises(ParameterError, match="periods is 0"):
        models.DirichletMarket(1, 1, 1, pd.Series({"P": 0.7})).brand_measures(0)


def test_a_single_brand_is_the_category():
    market = models.DirichletMarket(2.0, 0.8, 1.0, pd.Series({"P": 1.0}))
    row = market.brand_measures().iloc[0]
    assert row["penetration"] == pytest.approx(market.category_penetration())
    assert row[["category_share", "sole_share"]].tolist() == pytest.approx([1, 1])


@pytest.mark.data
def test_a_grocery_category_is_a_dirichlet_market_with_exceptions():
    """Coffee of the Complete Journey, by maker: penetrations follow from size, loyalty of the largest does not."""
    tables = data.load("complete_journey", engine="polars")
    options = {"orders": tables["orders"], "category": "COFFEE", "brand": "manufacturer_id"}
    purchases = wallet.brand_purchases(tables["order_lines"], tables["products"], **options)
    matrix = wallet.brand_matrix(purchases, households=tables["customers"], largest=6)
    assert len(matrix) == 2469
    assert matrix.to_numpy().sum() == to_pandas(purchases)["purchases"].sum()
    observed = wallet.brand_measures(matrix, rng=np.random.default_rng(1), replicates=200)
    total = matrix.sum(axis=1)
    market = models.dirichlet_from_measures((total > 0).mean(), total[total > 0].mean(), observed)
    expected = market.brand_measures()
    np.testing.assert_allclose(expected["penetration"], observed["penetration"], rtol=0.35)
    finding = wallet.conclusions.loyalty_beyond_size(observed, expected, brand=observed["brand"].iloc[0])
    norm = expected["category_share"].iloc[0]
    side = "more than" if finding.low > norm else "less than" if finding.high < norm else "as much as"
    assert f"{side} the " in finding.sentence


@pytest.mark.data
def test_a_scanner_panel_shows_double_jeopardy():
    """Ketchup: counts of the file; the small brand's buyers are fewer and take it less often, as the fit says."""
    panel = data.load("ketchup", "polars")
    assert panel.rows == {"customers": 1956, "choices": 4956}
    matrix = wallet.brand_matrix(wallet.panel_purchases(panel["choices"]))
    assert matrix.sum().to_dict() == {"heinz": 2526, "stb": 1155, "hunts": 1019, "delmonte": 256}
    observed = wallet.brand_measures(matrix, rng=np.random.default_rng(1), replicates=200).set_index("brand")
    assert observed["purchases_per_buyer"].idxmin() == observed["penetration"].idxmin() == "delmonte"
    found = models.Dirichlet(matrix, buyers_only=True).fit()
    market = found.market
    expected = market.brand_measures().set_index("brand")
    among_buyers = expected["penetration"] / market.category_penetration()  # the panel holds buyers only
    np.testing.assert_allclose(among_buyers, observed["penetration"], rtol=0.12)
    # 1.20 of delmonte against 1.45: taken even less often than its size says; the others within 12 %
    np.testing.assert_allclose(expected["purchases_per_buyer"], observed["purchases_per_buyer"], rtol=0.25)
    np.testing.assert_allclose(market.M / market.category_penetration(), 4956 / 1956, rtol=0.01)


def test_panel_purchases_count_rows_on_every_engine(frame):
    result = wallet.panel_purchases(frame({"customer_id": [1, 1, 2, 1], "brand": ["P", "Q", "P", "P"]}))
    assert frame.same_kind(result)
    assert to_pandas(result, sort_by=["customer_id", "brand"]).to_numpy().tolist() == [
        [1, "P", 2],
        [1, "Q", 1],
        [2, "P", 1],
    ]


# -- against size ------------------------------------------------------------------------------

FIVE = pd.Series({"A": 0.4, "B": 0.25, "C": 0.18, "D": 0.1, "E": 0.07})


@pytest.mark.parametrize("buyers_only", [False, True])
def test_simulated_purchases_are_of_the_market(buyers_only):
    """40,000 households: mean count, shares and penetrations within four standard errors of their formulas."""
    market = models.DirichletMarket(2.5, 0.6, 1.2, FIVE)
    made = wallet.simulated_purchases(market, 40_000, buyers_only=buyers_only, rng=np.random.default_rng(1))
    total = made.sum(axis=1)
    part = market.category_penetration() if buyers_only else 1.0
    assert (total > 0).all() == buyers_only
    assert total.mean() == pytest.approx(2.5 / part, abs=4 * total.std() / 200)
    reach = (made > 0).mean()
    expected = market.brand_measures().set_index("brand")["penetration"] / part
    np.testing.assert_array_less(np.abs(reach - expected), 4 * np.sqrt(expected * (1 - expected) / 40_000))
    # Share of a brand: its taste varies over households, weighed by purchases; sizes are 0.4 and less.
    np.testing.assert_allclose(made.sum() / made.to_numpy().sum(), FIVE, atol=0.02)


def test_a_market_where_hardly_anybody_buys_can_be_simulated():
    market = models.DirichletMarket(1e-6, 1e-7, 1.2, FIVE)
    made = wallet.simulated_purchases(market, 500, buyers_only=True, rng=np.random.default_rng(1))
    assert (made.sum(axis=1) > 0).all()


def test_where_only_size_matters_few_brands_are_called_otherwise():
    """8 markets of 5 brands fitted anew: 95 % within three errors are as their size; a brand made loyal is found."""
    market, rng = models.DirichletMarket(2.5, 0.6, 1.2, FIVE), np.random.default_rng(4)
    verdicts = []
    for _ in range(8):
        made = wallet.simulated_purchases(market, 1_000, rng=rng)
        predicted = wallet.predicted_measures(models.Dirichlet(made).fit().market, 1_000, replicates=60, rng=rng)
        seen = wallet.brand_measures(made, replicates=2, rng=rng)
        verdicts += wallet.against_size(seen, predicted, measure="category_share")["verdict"].tolist()
    assert np.mean([each == "as its size" for each in verdicts]) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 40)
    loyal = wallet.loyal_brand(made, brand="E", share=0.5, rng=rng)
    assert loyal.to_numpy().sum() == made.to_numpy().sum()
    predicted = wallet.predicted_measures(models.Dirichlet(loyal).fit().market, 1_000, replicates=60, rng=rng)
    seen = wallet.brand_measures(loyal, replicates=2, rng=rng)
    found = wallet.against_size(seen, predicted, measure="category_share").set_index("brand")
    assert found.loc["E", "verdict"] == "more than its size"


def test_predictions_are_the_formulas_and_hold_them():
    market = models.DirichletMarket(2.5, 0.6, 1.2, FIVE)
    made = wallet.predicted_measures(market, 2_000, replicates=100, rng=np.random.default_rng(2))
    expected = market.brand_measures()
    for name in ("penetration", "purchases_per_buyer", "category_share", "sole_share"):
        np.testing.assert_allclose(made[name], expected[name])
        assert (made[f"{name}_low"] < made[name]).all()
        assert (made[name] < made[f"{name}_high"]).all()
    among = wallet.predicted_measures(market, 50, buyers_only=True, replicates=20, rng=np.random.default_rng(2))
    np.testing.assert_allclose(among["penetration"], expected["penetration"] / market.category_penetration())


def test_impossible_predictions_are_refused():
    market, rng = models.DirichletMarket(2.5, 0.6, 1.2, FIVE), np.random.default_rng(1)
    with pytest.raises(ParameterError, match="households is 0"):
        wallet.simulated_purchases(market, 0, rng=rng)
    with pytest.raises(ParameterError, match=r"shares add up to 0\.93"):
        wallet.simulated_purchases(models.DirichletMarket(2.5, 0.6, 1.2, FIVE.iloc[:4]), 10, rng=rng)
    with pytest.raises(ParameterError, match="replicates is 0"):
        wallet.predicted_measures(market, 10, replicates=0, rng=rng)
    made = wallet.predicted_measures(market, 50, replicates=5, rng=rng)
    with pytest.raises(ParameterError, match="measure is 'size'"):
        wallet.against_size(made, made, measure="size")
    with pytest.raises(DataError, match="a brand has no prediction"):
        wallet.against_size(made, made.head(2), measure="category_share")
    with pytest.raises(ParameterError, match="brand is 'Z'"):
        wallet.loyal_brand(pd.DataFrame({"A": [1]}), brand="Z", share=0.5, rng=rng)


def small_source(days):
    """Two brands; household 1 buys both on the first day and P on the last, 2 buys Q on the first only."""
    first, last = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01") + pd.Timedelta(days=days)
    orders = pd.DataFrame({"order_id": [1, 2, 3, 4], "customer_id": [1, 1, 2, 1], "ordered_at": [first] * 3 + [last]})
    lines = pd.DataFrame({"order_id": [1, 2, 3, 4], "product_id": [1, 2, 2, 1], "amount": 1.0})
    products = pd.DataFrame({"product_id": [1, 2], "category": "tea", "brand": [10, 20]})
    customers = pd.DataFrame({"customer_id": [1, 2, 3]})
    return {"orders": orders, "order_lines": lines, "products": products, "customers": customers}


def test_a_brand_that_is_new_in_the_second_period_takes_nobody_back():
    """Household 1 buys P again and a new brand besides: of three pairs of buyer and brand one comes back, as before."""
    tables = small_source(30)
    for name, row in (
        ("orders", {"order_id": 5, "customer_id": 1, "ordered_at": pd.Timestamp("2026-01-31")}),
        ("order_lines", {"order_id": 5, "product_id": 3, "amount": 1.0}),
        ("products", {"product_id": 3, "category": "tea", "brand": 30}),
    ):
        tables[name] = pd.concat([tables[name], pd.DataFrame([row])], ignore_index=True)
    options = {"days": 30, "end": "2026-01-31", "replicates": 20, "rng": np.random.default_rng(1)}
    again = wallet.next_period(tables, category="tea", **options).set_index("brand")["repeat_share"]
    assert again.to_dict() == {"20": 0.0, "10": 1.0, "all brands": 1 / 3}


def test_windows_by_hand():
    tables = small_source(30)
    matrix = wallet.category_matrix(tables, category="tea", end="2026-01-31")
    assert matrix.columns.tolist() == ["10", "20"]  # both two purchases, in the order of the data
    assert matrix.loc[[1, 2, 3]].to_numpy().tolist() == [[2, 1], [0, 1], [0, 0]]
    table = wallet.next_period(
        tables, category="tea", days=30, end="2026-01-31", rng=np.random.default_rng(1), replicates=20
    )
    again = table.set_index("brand")["repeat_share"]
    assert again.to_dict() == {"20": 0.0, "10": 1.0, "all brands": 1 / 3}
    for options, words in (({"days": 0}, "days is 0"), ({"days": 9, "end": ""}, "windows need their last day")):
        with pytest.raises(ParameterError, match=words):
            wallet.next_period(tables, category="tea", rng=np.random.default_rng(1), **{"end": "2026-01-31", **options})
    with pytest.raises(DataError, match="'30' is not among the brands named"):
        wallet.window_sweep(tables, category="tea", ours="30", days=[31], end="2026-01-31")
    with pytest.raises(DataError, match="no purchases"):
        wallet.category_matrix(tables, category="ink")
    with pytest.raises(DataError, match="nobody bought tea from 2025-11-02 to 2025-12-16"):
        wallet.next_period(tables, category="tea", days=45, end="2026-01-30", rng=np.random.default_rng(1))
    assert wallet.brand_of(matrix) == "20"
    assert wallet.brand_of(matrix[["10"]]) == "10"
    assert wallet.brand_of(matrix, "10") == "10"


def test_sentences_take_their_words_from_the_verdicts():
    seen = pd.DataFrame({"brand": ["P", "Q"], "penetration": [0.5, 0.1], "purchases_per_buyer": [3.0, 2.0]})
    seen = seen.assign(category_share=0.5, category_share_low=0.4, category_share_high=0.6)
    size = pd.DataFrame({"brand": ["P", "Q"], "expected": 0.4, "low": 0.3, "high": 0.45, "verdict": "as its size"})
    for verdict, words in (
        ("as its size", "win buyers rather than loyalty"),
        ("more than its size", "holds its buyers better"),
        ("less than its size", "holds its buyers worse"),
    ):
        told = wallet.conclusions.answer(seen, size.assign(verdict=verdict), brand="P", category="tea")
        assert words in told.sentence
    told = wallet.conclusions.answer(seen, size.assign(low=np.nan), brand="P", category="tea")
    assert "too few" in told.sentence
    assert "the fewer buyers, the fewer" in wallet.conclusions.jeopardy(seen, size, source="x", key="a").sentence
    turned = seen.assign(purchases_per_buyer=[2.0, 3.0])
    assert "the fewer buyers, the more" in wallet.conclusions.jeopardy(turned, size, source="x", key="a").sentence
    third = pd.DataFrame({"brand": [wallet.OTHER], "penetration": [0.01], "purchases_per_buyer": [9.0]})
    beside = pd.concat([seen, third], ignore_index=True)
    assert wallet.OTHER not in wallet.conclusions.jeopardy(beside, size, source="x", key="a").sentence
    alike = seen.assign(purchases_per_buyer=2.0)
    same = seen.assign(purchases_per_buyer=2.0)  # ranks without spread have no correlation
    assert (
        f"(all alike over {len(same)} brands)" in wallet.conclusions.jeopardy(same, size, source="x", key="a").sentence
    )
    assert "no clear order" in wallet.conclusions.jeopardy(alike, size, source="x", key="a").sentence
    assert " 0 of 2 brands" in wallet.conclusions.departures(size, source="x", key="a").sentence
    more = size.assign(verdict=["more than its size", "as its size"])
    assert "(more: P)" in wallet.conclusions.departures(more, source="x", key="a").sentence
