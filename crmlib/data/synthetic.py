r"""A simulated firm whose truth is known: customers and orders of a BG/NBD population.

A customer arrives with a first order. While active, they order again at rate :math:`\lambda` a
week; after each repeat order they leave for good with probability :math:`p`. Over customers
:math:`\lambda \sim \text{Gamma}(r, \text{rate } \alpha)` and :math:`p \sim \text{Beta}(a, b)`,
independent (Fader, Hardie & Lee 2005, Marketing Science 24:2, section 3). Order values are gamma
with shape :math:`p_z` around a mean that differs by customer: rate :math:`\nu \sim
\text{Gamma}(q_z, \text{rate } \gamma_z)` (Fader & Hardie 2013, the gamma-gamma model).

Repeat orders form a Poisson process that each point ends with probability p. By thinning, the
order that ends it comes after an Exponential(:math:`\lambda p`) time D, and those before it are a
Poisson process of rate :math:`\lambda (1 - p)` on (0, D), independent of D: no loop is needed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.data.tables import Tables
from crmlib.data.truth import Parameters, Truth
from crmlib.errors import ParameterError
from crmlib.frames import as_date

if TYPE_CHECKING:
    import pandas as pd

#: Seed of `load("simulated")`.
SEED = 20_250_101
#: Raise when the same seed and parameters give other tables.
VERSION = 1
_DAY = 86_400_000_000  # microseconds


def simulate(
    rng: np.random.Generator,
    *,
    customers: int = 10_000,
    months: int = 18,
    as_of: datetime.date | str = "2025-12-31",
    r: float = 0.243,
    alpha: float = 4.414,
    a: float = 0.793,
    b: float = 2.426,
    spend_shape: float = 6.25,
    spend_q: float = 3.74,
    spend_gamma: float = 15.44,
    trend: float = 1.0,
    currency: str = "USD",
    engine: str = "pandas",
) -> Tables:
    """Tables of a firm that never was: customers and orders, with the truth that generated them.

    Parameters
    ----------
    rng : numpy.random.Generator
        The same state gives the same tables.
    customers : int
        Number of customers, at least 1.
    months : int
        Calendar months, the one of `as_of` included, over which acquisitions spread evenly.
    as_of : datetime.date or str
        Last day of the data.
    r, alpha, a, b : float
        BG/NBD parameters, time in weeks; defaults are those of CDNOW (Fader, Hardie & Lee 2005).
    spend_shape, spend_q, spend_gamma : float
        Gamma-gamma parameters p, q, γ of order values, mean p γ / (q - 1); `spend_q` above 1.
        Defaults are those of CDNOW (Fader & Hardie 2013).
    trend : float
        By how much the purchase rate of the last month's cohort exceeds that of the first month's,
        evenly in logarithms between them, at an unchanged rate of leaving (the drop-out probability is
        divided by the same factor): above 1 newer cohorts are better at every age, below 1 worse.
        The weaker end has the stated parameters.
    currency : str
        Name of the currency.
    engine : {"pandas", "polars", "duckdb"}

    Returns
    -------
    Tables
        `customers` (customer_id int, acquired_at) and `orders` (order_id int, customer_id,
        ordered_at, amount rounded to cents), both in the order of time, with `truth`.

    Raises
    ------
    ParameterError
        A parameter out of its range.

    Examples
    --------
    >>> tables = simulate(np.random.default_rng(1), customers=100)
    >>> tables.simulated, len(tables["customers"])
    (True, 100)
    """
    from crmlib.data.engines import from_arrow, known_engine

    known_engine(engine)
    day = as_date(as_of, name="as_of")
    if day is None:
        raise ParameterError("as_of is not set; give a date as YYYY-MM-DD")
    spend = (spend_shape, spend_q, spend_gamma)
    known = Parameters(customers, months, day, r, alpha, a, b, *spend, trend, currency)
    _check(known)
    mark = _fingerprint(known, rng)
    truth, acquired = _population(known, rng)
    frames = {
        "customers": _frame(customer_id=truth.customer_id, acquired_at=acquired.view("datetime64[us]")),
        "orders": _orders(truth, acquired, rng),
    }
    rows = {name: len(frame) for name, frame in frames.items()}
    if engine != "pandas":
        import pyarrow as pa

        arrow = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.items()}
        frames = {name: from_arrow(table, name, engine) for name, table in arrow.items()}
    return Tables(frames, "simulated", engine, currency, day, mark, rows, truth)


def default_fingerprint() -> str:
    """Fingerprint of `load("simulated")`, without simulating."""
    import inspect

    defaults = {
        name: option.default
        for name, option in inspect.signature(simulate).parameters.items()
        if name not in ("rng", "engine")
    }
    defaults["as_of"] = datetime.date.fromisoformat(defaults["as_of"])
    return _fingerprint(Parameters(**defaults), np.random.default_rng(SEED))


def _check(known: Parameters) -> None:
    for name in ("customers", "months"):
        value = getattr(known, name)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ParameterError(f"{name} is {value!r}; give a whole number of 1 or more")
    if known.months > 1200:
        raise ParameterError(f"months is {known.months}; give 1200 or fewer")
    for name in ("r", "alpha", "a", "b", "spend_shape", "spend_q", "spend_gamma", "trend"):
        value = getattr(known, name)
        low = 1 if name == "spend_q" else 0
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not (number and low < value < np.inf):
            raise ParameterError(f"{name} is {value!r}; give a finite number above {low}")


def _population(known: Parameters, rng: np.random.Generator) -> tuple[Truth, NDArray[np.int64]]:
    """Return the truth, and each customer's instant of acquisition in microseconds since 1970."""
    number = known.as_of.year * 12 + known.as_of.month - known.months
    starts = np.arange(number, number + known.months) - 1970 * 12
    begins = starts.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
    end = np.datetime64(known.as_of, "us").astype(np.int64) + _DAY
    acquired = np.sort(rng.integers(begins[0], end, known.customers))

    place = (np.searchsorted(begins, acquired, side="right") - 1) / max(known.months - 1, 1)
    factor = known.trend**place / min(1.0, known.trend)
    rate = rng.gamma(known.r, 1 / known.alpha, known.customers)
    dropout = rng.beta(known.a, known.b, known.customers)
    with np.errstate(divide="ignore", over="ignore"):  # a rate of 0 in floating point never leaves
        dropout_weeks = rng.standard_exponential(known.customers) / (rate * dropout)
        mean_spend = known.spend_shape / rng.gamma(known.spend_q, 1 / known.spend_gamma, known.customers)
    truth = Truth(
        parameters=known,
        customer_id=np.arange(1, known.customers + 1),
        cohort_factor=factor,
        purchase_rate=rate * factor,
        dropout_probability=dropout / factor,
        dropout_days=7 * dropout_weeks,
        observed_days=(end - acquired) / _DAY,
        mean_spend=mean_spend,
    )
    for name in Truth.__slots__:
        if name != "parameters":
            getattr(truth, name).flags.writeable = False
    return truth, acquired


def _orders(truth: Truth, acquired: NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
    known = truth.parameters
    exposed = np.minimum(truth.dropout_days, truth.observed_days)
    surviving = truth.purchase_rate * (1 - truth.dropout_probability) / 7
    repeats = rng.poisson(surviving * exposed)
    last = truth.dropout_days < truth.observed_days

    everyone = np.arange(known.customers)
    who = np.concatenate([everyone, np.repeat(everyone, repeats), everyone[last]])
    days = rng.random(repeats.sum()) * np.repeat(exposed, repeats)
    since = np.concatenate([np.zeros(known.customers), days, truth.dropout_days[last]])
    instants = acquired[who] + (since * _DAY).astype(np.int64)
    in_time = np.argsort(instants, kind="stable")
    who, instants = who[in_time], instants[in_time]

    spend = rng.standard_gamma(known.spend_shape, len(who)) * (truth.mean_spend / known.spend_shape)[who]
    return _frame(
        order_id=np.arange(1, len(who) + 1),
        customer_id=truth.customer_id[who],
        ordered_at=instants.view("datetime64[us]"),
        amount=np.round(spend, 2),
    )


def _frame(**columns: NDArray[Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: np.array(values) for name, values in columns.items()})


def _fingerprint(known: Parameters, rng: np.random.Generator) -> str:
    told = {"version": VERSION, "parameters": asdict(known), "rng": rng.bit_generator.state}
    text = json.dumps(told, sort_keys=True, default=_plain)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
