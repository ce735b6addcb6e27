"""Counts, cohorts, concentration, margin and share of wallet."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd

from crmlib import cohorts, data, loyalty, models, profitability, wallet
from crmlib.frames import to_pandas
from crmlib.models import NBD
from published.comparison import computed


@functools.cache
def orders(source: str) -> Any:
    return to_pandas(data.load(source)["orders"])


@computed("cdnow_master")
def master() -> Any:
    table = orders("cdnow")
    twice = table.duplicated(["customer_id", "ordered_at", "amount", "quantity"])
    return {
        "rows": len(table),
        "revenue": table["amount"].sum(),
        "customers": int(table["customer_id"].nunique()),
        "duplicate_rows": int(twice.sum()),
        "duplicate_revenue": table.loc[twice, "amount"].sum(),
        "zero_value_rows": int((table["amount"] == 0).sum()),
        "one_day_customers": int((~to_pandas(cohorts.second_order_times(table))["observed"]).sum()),
    }


def active(source: str, cohort: str) -> list[int]:
    table = to_pandas(cohorts.retention_triangle(orders(source)), sort_by=["cohort", "age"])
    return [int(count) for count in table.loc[table["cohort"] == pd.Timestamp(cohort), "active"]]


@computed("cdnow_cohorts")
def cdnow_cohorts() -> Any:
    return {cohort: active("cdnow", cohort) for cohort in ("1997-01-01", "1997-02-01", "1997-03-01")}


@computed("ta_feng_cohorts")
def ta_feng_cohorts() -> Any:
    return {"2000-11-01": active("ta_feng", "2000-11-01")}


@computed("cdnow_concentration")
def cdnow_concentration() -> Any:
    spend = orders("cdnow").groupby("customer_id")["amount"].sum()
    return {**{p: loyalty.top_share(spend, p) for p in (0.01, 0.1, 0.2)}, "gini": loyalty.gini(spend)}


@computed("complete_journey_concentration")
def complete_journey_concentration() -> Any:
    table = orders("complete_journey")
    sales = table.groupby("customer_id")["amount"].sum()
    shares = {"top_20_share": loyalty.top_share(sales), "gini": loyalty.gini(sales)}
    return {"sales": table["amount"].sum(), "baskets": len(table), **shares}


@computed("complete_journey_windows")
def complete_journey_windows() -> Any:
    """The published windows begin at midnight UTC, five hours before the shops' own day."""
    local = orders("complete_journey")
    stamps = local["ordered_at"].dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward")
    table = local.assign(ordered_at=stamps.dt.tz_convert("UTC").dt.tz_localize(None))
    options = {"start": "2017-01-01", "customers": data.load("complete_journey")["customers"]}
    rows = {days: loyalty.share_by_window(table, days=[days], **options).iloc[0] for days in (28, 182)}
    return {days: [row["all_customers"], row["buyers_only"]] for days, row in rows.items()}


def repeats(days: int) -> Any:
    return to_pandas(loyalty.window_totals(orders("cdnow"), days=days, anchor="first_order"))["order_days"].to_numpy()


@computed("cdnow_repeat_concentration")
def cdnow_repeat_concentration() -> Any:
    fit = NBD(repeats(182), 26).fit()
    return {weeks: [loyalty.top_share(repeats(7 * weeks)), fit.top_share(0.2, weeks)] for weeks in (26, 52)}


@computed("ta_feng_margin")
def ta_feng_margin() -> Any:
    table, lines = orders("ta_feng"), to_pandas(data.load("ta_feng")["order_lines"])
    customers = table.groupby("customer_id")[["amount", "cost"]].sum()
    margin = customers["amount"] - customers["cost"]
    peak = profitability.whale_peak(margin)
    fifth = math.ceil(0.2 * len(margin))
    tops = [profitability.whale_curve(values)["profit_share"].iloc[fifth] for values in (customers["amount"], margin)]
    return {
        "customers": len(margin),
        "revenue": customers["amount"].sum(),
        "cost": customers["cost"].sum(),
        "gross_margin": margin.sum(),
        "gross_margin_rate": margin.sum() / customers["amount"].sum(),
        "lines_below_cost": int((lines["amount"] < lines["cost"]).sum()),
        "negative": int((margin < 0).sum()),
        "loss": margin[margin < 0].sum(),
        "zero": int((margin == 0).sum()),
        "peak_share": peak.profit_share,
        "peak_rank": int(peak.rank),
        "top_fifth_revenue": tops[0],
        "top_fifth_margin": tops[1],
    }


@computed("ta_feng_persistence")
def ta_feng_persistence() -> Any:
    table = orders("ta_feng").assign(gross_margin=lambda rows: rows["amount"] - rows["cost"])
    late = table["ordered_at"] >= "2001-01-01"
    parts = [rows.groupby("customer_id")[["gross_margin"]].sum().reset_index() for rows in (table[~late], table[late])]
    pairs = profitability.paired_margins(*parts, column="gross_margin")
    found = profitability.loss_persistence(pairs, replicates=50, rng=np.random.default_rng(1))
    return {"seen": int(found.seen), "negative_again": found.share, "before": found.before, "after": found.after}


@computed("dirichlet_toothpaste", inputs=("category_penetration", "purchases_per_buyer", "market_share", "penetration"))
def toothpaste(values: Any) -> Any:
    brands = pd.DataFrame({name: values[name] for name in ("market_share", "penetration")})
    brands.insert(0, "brand", [f"brand {number}" for number in range(len(brands))])
    market = models.dirichlet_from_measures(values["category_penetration"], values["purchases_per_buyer"], brands)
    return {name: getattr(market, name) for name in ("M", "K", "S")}


@computed("wallet_allocation")
def allocation() -> Any:
    return wallet.wallet_allocation([1, 2, 3]).tolist()
