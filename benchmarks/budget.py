"""Coverage of what lesson 16 says, over many simulated firms and weeks: `python -m benchmarks.budget`.

Margins, net values and payback by acquisition channel are held against those of firms so large that chance hardly
matters, whose calendar and parameters are the same; the gain of the best budget against that by the curves that made
the weeks. Costs are fixed, as the intervals take them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.seeds import coverage, options, over_seeds
from crmlib import budget as topic
from crmlib import data
from crmlib.data.synthetic.spend import weekly_spend

FIRST_SEED = 50_000
AGES, MARGIN_RATE = 6, 0.3
#: A customer's cost that falls between the margins of an age and the next for most channels.
COST = 20.0
#: Coverage that 95 % intervals of margin and net value have for every channel that gets one in half the firms, and
#: that of payback, whose whole ages make it cover more.
PROMISED, PAYBACK = (0.92, 0.98), 0.93
#: Coverage of the gain's interval: 100 seeds know it to 3 points.
GAIN = 0.88
_FIRM: dict[str, Any] = {"tables": ("customers", "orders"), "intent_value": 0.7}


@functools.cache
def truth(customers: int = 400_000, firms: int = 8) -> pd.DataFrame:
    """Share of customers, margin to the last age and first age that pays the cost back, by channel.

    One firm of 400,000 has some 3,500 customers of the smallest channel and knows their margin to 3 % only.
    """
    won, seen, brought = 0.0, 0.0, 0.0
    for seed in range(1, firms + 1):
        firm = data.simulate(np.random.default_rng(seed), customers=customers, **_FIRM)
        values = _values(firm, np.random.default_rng(1), 2)
        won, seen = won + values.customers, seen + values.seen
        brought = brought + np.where(values.seen > 0, values.margin * values.seen, 0.0)
    totals = np.cumsum(brought / seen, axis=1)
    reached = totals >= COST
    days = np.where(reached.any(axis=1), 30.0 * (reached.argmax(axis=1) + 1), np.inf)
    table = pd.DataFrame({"share": won / won.sum(), "margin": totals[:, AGES - 1], "days": days})
    return table.set_index(pd.Index(values.channels, name="channel"))


def channels(seed: int, *, known: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Estimates with their intervals at one firm: one row a channel and measure."""
    rng = np.random.default_rng(seed)
    values = _values(data.simulate(rng, customers=customers, **_FIRM), rng, 400)
    expected = customers * known["share"]
    costs = (COST * expected).rename("cost").reset_index()
    sums = values.margins().query("age == @AGES - 1").set_index("channel")
    found = {"margin": sums.set_axis(["age", "customers", "_", "__", "___", "estimate", "low", "high"], axis=1)}
    net = topic.channel_returns(values, costs, ages=AGES, rng=rng).set_index("channel")
    found["net value"] = net[["net_value", "net_low", "net_high"]].set_axis(["estimate", "low", "high"], axis=1)
    paid = topic.payback_times(values, costs, rng=rng).set_index("channel")
    found["payback"] = paid[["days", "low", "high"]].set_axis(["estimate", "low", "high"], axis=1)
    # what lies beyond the window of a channel is told as infinite, and is so
    within = known["days"].where(known["days"] <= paid["window"].reindex(known.index), np.inf)
    exact = {"margin": known["margin"], "net value": expected * (known["margin"] - COST), "payback": within}
    rows = [table[["estimate", "low", "high"]].assign(truth=exact[name], measure=name) for name, table in found.items()]
    return pd.concat(rows).dropna(subset=["low", "truth"]).reset_index()


def gains(seed: int, *, persistence: float, weeks: int = 156, worth: float = 50.0) -> pd.DataFrame:
    """The best budget's gain with its interval, and the true one: one row. Errors keep a part of the week before's."""
    rng = np.random.default_rng(seed)
    table, known = weekly_spend(rng, weeks=weeks, noise=1e-9 if persistence else 6.0)
    if persistence:
        fresh, error = 6.0 * rng.standard_normal(weeks), 0.0
        for week, luck in enumerate(fresh):
            error = persistence * error + np.sqrt(1 - persistence**2) * luck if week else luck
            table.loc[week, "customers"] += error
    curves = topic.response_curves(table, replicates=100, rng=rng)
    budget, gain = topic.best_budget(curves, total=curves.today.sum(), worth=worth)
    now, best = (budget[name].to_numpy() for name in ("today", "best"))
    more = known.effect * (np.exp(-now / known.scale) - np.exp(-best / known.scale))
    row = {"channel": f"persistence {persistence:g}", "measure": "gain", "estimate": gain["gain"]}
    row |= {"low": gain["low"], "high": gain["high"], "truth": worth * more.sum() - (best.sum() - now.sum())}
    return pd.DataFrame([row])


def measured(task: Callable[[int], pd.DataFrame], *, seeds: int, jobs: int, what: str) -> pd.DataFrame:
    """Bias and coverage by measure and channel, with Monte Carlo errors, printed."""
    rows = pd.concat(over_seeds(task, first=FIRST_SEED, count=seeds, jobs=jobs, what=what))
    table = coverage(rows, by=["measure", "channel"])
    print(f"\n{what}\n{table.round(3).to_string()}", flush=True)
    return table


def results() -> list[Any]:
    """For `make bench`, five minutes or, on a busy machine, ten: ends it when intervals do not cover as promised."""
    known, customers = truth(), 5_000
    task = functools.partial(channels, known=known, customers=customers)
    found = measured(task, seeds=1_000, jobs=1, what="by channel")
    often = found.loc[found["seeds"] >= 500, "coverage"]
    every, paid = often.loc[["margin", "net value"]], often.loc["payback"]
    if not every.between(*PROMISED).all() or paid.min() < PAYBACK:
        raise SystemExit(
            f"intervals by channel cover in {every.min():.1%} to {every.max():.1%}, payback {paid.min():.1%}"
        )
    for persistence in (0.0, 0.6):
        task = functools.partial(gains, persistence=persistence)
        covered = measured(task, seeds=100, jobs=1, what="best budget")["coverage"].item()
        if covered < GAIN:
            raise SystemExit(f"the interval of the gain covers in {covered:.0%}, not in {GAIN:.0%} or more")
    return []


def _values(firm: Any, rng: np.random.Generator, replicates: int) -> topic.ChannelValues:
    orders = topic.order_margins(firm["orders"], margin_rate=MARGIN_RATE)
    return topic.channel_values(firm["customers"], orders, as_of=firm.as_of, replicates=replicates, rng=rng)


def main() -> None:
    """Print the accounts."""
    seeds, customers = (1_000, "simulated firms, and weeks of each kind"), (5_000, "customers of each firm")
    given = options(__doc__, seeds=seeds, customers=customers)
    task = functools.partial(channels, known=truth(), customers=given.customers)
    measured(task, seeds=given.seeds, jobs=given.jobs, what="by channel")
    for persistence in (0.0, 0.6):
        measured(
            functools.partial(gains, persistence=persistence), seeds=given.seeds, jobs=given.jobs, what="best budget"
        )


if __name__ == "__main__":
    main()
