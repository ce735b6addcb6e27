"""A simulated subscription firm: monthly contracts, own chances to leave, invoices; the truth attached."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.tables import Coded, frame
from crmlib.errors import ParameterError
from crmlib.frames import as_date

if TYPE_CHECKING:
    from crmlib.data.tables import Tables

Floats = NDArray[np.float64]

#: Plan: share of those won, alpha and beta of the chance to leave in a month, monthly price.
PLANS = {"basic": (0.5, 1.0, 9.0, 12.0), "plus": (0.35, 1.0, 24.0, 25.0), "team": (0.15, 1.2, 60.0, 60.0)}
#: A month's chance of a rise and of a fall of the price paid, each by a tenth; and of a month not invoiced.
RISE, FALL, STEP, PAUSE = 0.03, 0.015, 0.1, 0.01
CHANNELS = ("direct", "partner")
_CENTURY = 1_200
#: Of `load("subscribers")`; the version rises when the same seed and parameters give other tables.
SEED, VERSION = 20_250_615, 1


@dataclass(frozen=True, eq=False)
class SubscriberTruth:
    """What generated the firm; arrays are aligned with the rows of `customers`.

    Attributes
    ----------
    leaving_probability : float array
        Each customer's own chance to leave at the end of a month, the same in every month.
    plan : str array
    joined : int array
        Number of the month of joining, 0 the first.
    lifetime : int array
        Months after which the contract ends, also where that lies beyond the data.
    prices : float array, shape (customers, months)
        What a month costs, invoiced or not.
    invoiced : bool array, shape (customers, months)
    """

    leaving_probability: Floats
    plan: NDArray[np.str_]
    joined: NDArray[np.int64]
    lifetime: NDArray[np.int64]
    prices: Floats
    invoiced: NDArray[np.bool_]

    def survival(self, months: int, plan: str | None = None) -> float:
        """Share of the population (of one plan) that stays longer than so many months."""
        chosen = PLANS.values() if plan is None else [PLANS[plan]]
        t = np.arange(months)
        parts = [(share, float(np.prod((b + t) / (a + b + t)))) for share, a, b, _ in chosen]
        return sum(share * part for share, part in parts) / sum(share for share, _ in parts)

    def revenue_retention(self, months: int = 12) -> tuple[float, float]:
        """Expected net and gross revenue retention over the last so many months, of the customers invoiced before them.

        Each stays with (1 - own chance)^months; prices rise and fall by chance; gross counts no rise above
        the starting price.
        """
        last = self.prices.shape[1] - 1
        if not 1 <= months <= last:
            raise ParameterError(f"months is {months}; the firm has 1 to {last} to look back")
        there = self.invoiced[:, last - months]
        base, own = self.prices[there, last - months], self.leaving_probability[there]
        stays = base @ (1 - own) ** months / base.sum() * (1 - PAUSE)
        net = (1 + STEP * (RISE - FALL)) ** months
        gross = 0.0
        for up in range(months + 1):
            for down in range(months + 1 - up):
                chance = comb(months, up) * comb(months - up, down) * RISE**up * FALL**down
                gross += (
                    chance * (1 - RISE - FALL) ** (months - up - down) * min(1.0, (1 + STEP) ** up * (1 - STEP) ** down)
                )
        return float(stays * net), float(stays * gross)


def simulate_subscribers(
    rng: np.random.Generator,
    *,
    customers: int = 4_000,
    months: int = 36,
    as_of: datetime.date | str = "2025-12-31",
    currency: str = "USD",
    engine: str = "pandas",
) -> Tables:
    """Tables of a subscription firm that never was, with the truth that generated them.

    Customers join evenly over the months, on one of three plans. At the end of each month a customer leaves
    with a chance of their own that never changes, drawn once from the plan's beta distribution. Each month
    the price rises by a tenth with 3 % and falls by a tenth with 1.5 % chance, and one month in a hundred is
    not invoiced. The channel has no effect on anything.

    Parameters
    ----------
    rng : numpy.random.Generator
    customers : int
        At least 1.
    months : int
        Calendar months up to and with that of `as_of`, 2 to 1,200.
    as_of : datetime.date or str
        Last day of the data, the last day of a month.
    currency, engine
        As `simulate` takes them.

    Returns
    -------
    Tables
        customers (acquired_at, channel), subscriptions (tenure_months, left, contract, monthly_charge),
        orders (an invoice a month); `truth` is a `SubscriberTruth`.

    Raises
    ------
    ParameterError
        A parameter out of its range.
    """
    from crmlib.data.engines import known_engine
    from crmlib.data.tables import Tables

    known_engine(engine)
    day = _month_end(as_of)
    if customers < 1 or not 2 <= months <= _CENTURY:
        raise ParameterError(f"customers is {customers}, months {months}; give at least 1, and 2 to {_CENTURY:,}")
    entropy = int(rng.integers(0, 2**63))
    columns, truth = _firm(np.random.default_rng(entropy), customers, months, day)
    frames = {name: frame(values, name, engine) for name, values in columns.items()}
    rows = {name: len(values["customer_id"]) for name, values in columns.items()}
    mark = fingerprint(entropy, customers, months, day, currency)
    return Tables(frames, "subscribers", engine, currency, day, mark, rows, truth)


def fingerprint(entropy: int, customers: int, months: int, day: datetime.date, currency: str) -> str:
    """Changes exactly when the tables do."""
    import hashlib

    told = f"subscribers {VERSION} {entropy} {customers} {months} {day} {currency} {PLANS} {RISE} {FALL} {STEP} {PAUSE}"
    return f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"


def default_fingerprint() -> str:
    """Fingerprint of `load("subscribers")`, without simulating."""
    entropy = int(np.random.default_rng(SEED).integers(0, 2**63))
    return fingerprint(entropy, 4_000, 36, datetime.date(2025, 12, 31), "USD")


def _month_end(as_of: datetime.date | str) -> datetime.date:
    day = as_date(as_of, name="as_of")
    if day is None or (day + datetime.timedelta(days=1)).day != 1:
        raise ParameterError(f"as_of is {as_of!r}; give the last day of a month, such as 2025-12-31")
    return day


def _firm(rng: np.random.Generator, n: int, months: int, day: datetime.date) -> tuple[dict[str, Any], SubscriberTruth]:
    names = np.array(list(PLANS))
    shares, alpha, beta, price = np.array(list(PLANS.values())).T
    plan = rng.choice(len(names), n, p=shares)
    own = rng.beta(alpha[plan], beta[plan]).clip(1e-9)  # a chance of nought would need an endless lifetime
    lifetime = rng.geometric(own)
    joined = np.sort(np.arange(n) * months // n)
    calendar = np.arange(months)
    moves = rng.random((n, months))
    step = np.where(moves < RISE, np.log1p(STEP), np.where(moves > 1 - FALL, np.log1p(-STEP), 0.0))
    step[calendar <= joined[:, None]] = 0.0
    prices = price[plan, None] * np.exp(np.cumsum(step, axis=1))
    age = calendar - joined[:, None]
    invoiced = (age >= 0) & (age < lifetime[:, None])
    invoiced &= (rng.random((n, months)) >= PAUSE) | (age == 0)
    weekday = rng.integers(0, 28, n)  # day of the month on which invoices fall, from 0
    channel = rng.integers(0, len(CHANNELS), n)
    first = np.datetime64(f"{day:%Y-%m}", "M") - (months - 1)
    starts = (first + calendar).astype("datetime64[D]")
    truth = SubscriberTruth(own, names[plan], joined, lifetime, prices, invoiced)
    return _columns(truth, Coded(plan, tuple(names)), Coded(channel, CHANNELS), starts, weekday), truth


def _columns(
    truth: SubscriberTruth, plan: Coded, channel: Coded, starts: NDArray[np.datetime64], weekday: NDArray[np.int64]
) -> dict[str, Any]:
    """Columns of the tables that the firm sees, invoices by their instant."""
    joined, prices = truth.joined, truth.prices
    n, months = prices.shape
    who, when = np.nonzero(truth.invoiced)
    at = (starts[when] + weekday[who]).astype("datetime64[us]")
    order = np.lexsort((who, at))
    served = np.minimum(truth.lifetime, months - joined)
    ids = np.arange(1, n + 1)
    return {
        "customers": {
            "customer_id": ids,
            "acquired_at": (starts[joined] + weekday).astype("datetime64[us]"),
            "channel": channel,
        },
        "subscriptions": {
            "customer_id": ids,
            "tenure_months": served.astype(float),
            "left": truth.lifetime <= months - joined,
            "contract": plan,
            "monthly_charge": prices[np.arange(n), joined + served - 1].round(2),
        },
        "orders": {
            "order_id": np.arange(1, len(who) + 1),
            "customer_id": ids[who][order],
            "ordered_at": at[order],
            "amount": prices[who, when][order].round(2),
        },
    }
