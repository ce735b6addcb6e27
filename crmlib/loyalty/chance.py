"""How much of the concentration of one window is chance: the NBD beside what was observed.

In a short window even equal customers differ: some happen to buy, others do not. With the negative
binomial distribution, in which nobody changes, it can be computed what that alone makes of the top
share. It is for counts of purchases, not money, and zeros belong in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.intervals import require_level
from crmlib.loyalty.concentration import gini, logit_interval, top_share
from crmlib.loyalty.tables import window_totals
from crmlib.models import NBD, gamma_top_share, nbd_top_share
from crmlib.models.top_shares import require_part

if TYPE_CHECKING:
    import pandas as pd


def chance_correction(
    counts: ArrayLike,
    *,
    p: float = 0.2,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: top share of purchase counts, what the NBD makes of it, and what would remain in the long run.

    Assumes that every customer at risk buys at an own constant rate (Poisson), that rates are gamma
    distributed, and that nobody leaves. The gap between observed and NBD is read as departure from that.

    Parameters
    ----------
    counts : array-like of whole numbers, shape (n,)
        Purchases of every customer at risk in one window, zeros kept, first purchases left out.
    p : float
        Part of the customers, between 0 and 1.
    level, replicates
        Coverage, between 0 and 1; number of bootstrap replicates over customers, each of which refits the NBD.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, four rows
        quantity ("observed": top share in this window; "nbd": the share that the fitted NBD implies for
        it, ties split at the cut; "gap": observed minus nbd, paired in each replicate; "long_run": the
        share once chance has averaged out), value, low, high (shares).

    Raises
    ------
    DataError
        No customers, no purchases, counts that are not whole or negative.
    ConvergenceError
        Customers differ no more than by chance.
    ParameterError

    References
    ----------
    Schmittlein, D. C., Cooper, L. G., & Morrison, D. G. (1993), Marketing Science 12, 167-183.
    """
    import pandas as pd
    from scipy.stats import norm

    require_part(p)
    require_level(level)
    model = NBD(counts)
    fitted = model.fit()
    values, each = model.counts, model.weights.astype(np.int64)

    def shares(weights: np.ndarray, r: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        observed = np.array([top_share(values, p, weights=column) for column in weights])
        return np.column_stack([observed, nbd_top_share(r, ratio, 1.0, p), gamma_top_share(r, p)])

    value = shares(each[None], np.array([fitted.r]), np.array([fitted.alpha]))[0]
    # Customers with equal counts are alike, so drawing customers is drawing the histogram.
    drawn = rng.multinomial(each.sum(), each / each.sum(), size=replicates)
    drawn = drawn[drawn @ values > 0]
    draws = shares(drawn, *_shapes(values, drawn))
    low, high = logit_interval(value, draws, level=level, replicates=replicates)
    gap = value[0] - value[1]
    spread = norm.ppf(0.5 + level / 2) * np.std(draws[:, 0] - draws[:, 1], ddof=1)
    return pd.DataFrame(
        {
            "quantity": ["observed", "nbd", "gap", "long_run"],
            "value": [value[0], value[1], gap, value[2]],
            "low": [low[0], low[1], gap - spread, low[2]],
            "high": [high[0], high[1], gap + spread, high[2]],
        }
    )


def share_by_window(
    orders: Any,
    *,
    days: Sequence[int],
    value: str = "amount",
    p: float = 0.2,
    start: Any = None,
    customers: Any = None,
    as_of: Any = None,
) -> pd.DataFrame:
    """Array: top share in calendar windows of several lengths, with and without those who bought nothing.

    Parameters
    ----------
    orders, start, customers, as_of
        As in `window_totals`.
    days : sequence of int
        Lengths of windows; of each as many windows as follow one another up to `as_of`.
    value : {"amount", "orders", "order_days"}
        Whose concentration is asked.
    p : float

    Returns
    -------
    pandas.DataFrame, one row a window in which something was bought
        days (its length), window (from 0), customers (at risk), buyers (value above 0), all_customers,
        buyers_only (top shares, 0-1), gini (over all customers).

    Raises
    ------
    DataError
        No window of any length had ended by `as_of`, or a customer's value in a window is negative.
    ParameterError
    """
    import pandas as pd

    if value not in ("amount", "orders", "order_days"):
        raise ParameterError(f"value {value!r} is unknown; use amount, orders or order_days")
    rows = []
    for length in days:
        totals = window_totals(
            orders,
            days=length,
            windows=_windows(orders, length, start, as_of),
            start=start,
            customers=customers,
            as_of=as_of,
        )
        for window, group in to_pandas(totals).groupby("window"):
            values = group[value].to_numpy(dtype=float)
            if values.any():
                buyers = values[values != 0]
                shares = (top_share(values, p), top_share(buyers, p), gini(values))
                rows.append((length, window, len(values), len(buyers), *shares))
    if not rows:
        raise DataError(f"no window of {min(days)} days with orders had ended by the last day; take shorter windows")
    names = ["days", "window", "customers", "buyers", "all_customers", "buyers_only", "gini"]
    return pd.DataFrame(rows, columns=names)


def chance_by_window(
    orders: Any,
    *,
    days: Sequence[int],
    fitted_days: int,
    anchor: str = "first_order",
    p: float = 0.2,
    customers: Any = None,
    as_of: Any = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: top share of order days by length of the window, beside an NBD fitted to one of the windows.

    Parameters
    ----------
    orders, anchor, customers, as_of
        As in `window_totals`; each length's first window is taken.
    days : sequence of int
        Lengths of windows.
    fitted_days : int
        Length of the window that the NBD is fitted to; from there it is extrapolated to the others.
    p, level, replicates, rng
        As in `chance_correction`.

    Returns
    -------
    pandas.DataFrame, one row a length
        days, customers (at risk), observed, low, high, nbd (fitted to this window itself), gap (observed
        minus nbd), gap_low, gap_high, predicted (by the NBD of `fitted_days`), long_run (of the NBD
        fitted to this window).

    Raises
    ------
    DataError, ConvergenceError, ParameterError
    """
    import pandas as pd

    def counts(length: int) -> np.ndarray:
        totals = window_totals(orders, days=length, anchor=anchor, customers=customers, as_of=as_of)
        found = to_pandas(totals)["order_days"].to_numpy()
        if not len(found):
            raise DataError(f"no window of {length} days had ended by the last day; take shorter windows")
        return found

    fitted = NBD(counts(fitted_days), fitted_days).fit()
    rows = []
    for length in days:
        x = counts(length)
        table = chance_correction(x, p=p, level=level, replicates=replicates, rng=rng).set_index("quantity")
        observed, gap = table.loc["observed"], table.loc["gap"]
        row = (length, len(x), *observed, table.loc["nbd", "value"], *gap)
        rows.append((*row, fitted.top_share(p, length), table.loc["long_run", "value"]))
    names = [
        "days",
        "customers",
        "observed",
        "low",
        "high",
        "nbd",
        "gap",
        "gap_low",
        "gap_high",
        "predicted",
        "long_run",
    ]
    return pd.DataFrame(rows, columns=names)


def _windows(orders: Any, length: int, start: Any, as_of: Any) -> int:
    """How many windows of a length follow one another up to the last day, 1 to 1,000."""
    import narwhals.stable.v2 as nw

    view = wrap(orders, ("ordered_at",), table="orders").filter(~nw.col("ordered_at").is_null())
    instant = nw.col("ordered_at").cast(nw.Datetime("us"))
    ends = to_pandas(view.select(first=instant.min(), last=instant.max()).to_native())
    if ends.isna().any(axis=None):  # no orders, so no window will have any
        return 1
    first = as_date(start, name="start") or ends["first"].iloc[0].date()
    last = as_date(as_of, name="as_of") or ends["last"].iloc[0].date()
    return int(np.clip(((last - first).days + 1) // length, 1, 1_000))


def _shapes(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood r and alpha (window = 1) of many histograms over the same counts at once.

    At the maximum r / alpha is the mean, which leaves Σ w [ψ(r + x) − ψ(r)] + N ln(r / (r + m)) = 0 in r.
    Its left side falls from positive to negative, so halving finds the root; where the counts are not
    over-dispersed r ends at its upper bound, a Poisson distribution for all that matters.
    """
    from scipy.special import digamma

    people = weights.sum(axis=1)
    mean = weights @ values / people
    low, high = np.full(len(people), -10.0), np.full(len(people), 14.0)
    for _ in range(50):
        middle = (low + high) / 2
        r = np.exp(middle)
        slope = np.einsum("bk,bk->b", weights, digamma(r[:, None] + values) - digamma(r)[:, None])
        rising = slope - people * np.log1p(mean / r) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    r = np.exp((low + high) / 2)
    return r, r / mean
