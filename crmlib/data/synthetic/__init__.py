"""A simulated firm whose truth is known: one population through all tables.

`simulate` makes it; `Truth` is what generated it. One module a part of the story: `acquisition`
(prospects, channels, who converts), `purchases` (who they are, when they order), `referrals` (who brought
whom), `serving` (what an order holds and costs), `programme` (loyalty), `counterfactuals` (the firm without
a part of itself).
`subscribers` is another firm, of monthly contracts.
`data/README.md` describes it to its users.
"""

from __future__ import annotations

import datetime
import hashlib
import inspect
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from crmlib.data.synthetic import parameters, subscribers
from crmlib.data.synthetic.acquisition import CHANNELS, check_channels
from crmlib.data.synthetic.firm import firm
from crmlib.data.synthetic.parameters import REFERRALS, REFERRING, TABLES, Parameters
from crmlib.data.synthetic.subscribers import SubscriberTruth, simulate_subscribers
from crmlib.data.synthetic.tables import frame, length
from crmlib.data.synthetic.truth import Truth
from crmlib.data.tables import Tables
from crmlib.errors import ParameterError
from crmlib.frames import as_date

__all__ = [
    "CHANNELS",
    "SEED",
    "TABLES",
    "VERSION",
    "Parameters",
    "SubscriberTruth",
    "Truth",
    "default_fingerprint",
    "default_firm",
    "simulate",
    "simulate_subscribers",
]

#: Seed of `load("simulated")`.
SEED = 20_250_101
#: Raise when the same seed and parameters give other tables.
VERSION = 3


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
    prospects_per_customer: float = 4.0,
    channels_off: Iterable[str] = (),
    programme: bool = True,
    programme_effect: float = 1.15,
    programme_growth: float = 0.0,
    self_selection: float = 1.0,
    parallel_trends: bool = True,
    seasonality: float = 0.2,
    intent_value: float = 0.0,
    reproduction: float = 0.0,
    referral_days: float = 45.0,
    referral_lift: float = 1.15,
    referral_stay: float = 0.8,
    likeness: float = 1.0,
    reward_effect: float = 1.6,
    tables: Iterable[str] | None = None,
    currency: str = "USD",
    engine: str = "pandas",
) -> Tables:
    """Tables of a firm that never was, with the truth that generated them.

    Parameters
    ----------
    rng : numpy.random.Generator
        The same state gives the same firm. Each part has random numbers of its own: switching one
        off, or asking for fewer tables, leaves the others as they were.
    customers : int
        Number of customers won with all channels on, at least 1.
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
    prospects_per_customer : float
        Journeys for each that converts, 1 to 1,000.
    channels_off : iterable of str
        Channels that the firm does not use: the same prospects, of whom fewer convert.
    programme : bool
        Whether there is a loyalty programme, with accounts and a season; without one the firm is
        the plain BG/NBD population.
    programme_effect : float
        Factor of a member's own purchase rate from joining on; 1 for a programme without effect.
    programme_growth : float
        Growth of the factor's distance from 1 in 30 days: -0.1 fades by a tenth, 0 stays.
    self_selection : float
        Power of the own rate in the hazard of joining, 0 (at random) to 5.
    parallel_trends : bool
        If not, members' rates rise by half in the 180 days before joining, for another reason.
    seasonality : float
        Orders in 30 days that December adds to every account customer from the panel's start on
        (three quarters of it in November, one in October); 0 for none.
    intent_value : float
        Logarithm of the factor by which a standard deviation of intent, before any contact, raises the
        purchase rate, 0 to 2. At 0 customers are alike whatever channel won them; above it those order more
        who would have come anyway, and so the customers of the channels that meet them.
    reproduction : float
        Customers that a customer refers in the long run where a reward is offered, 0 (nobody refers) to
        0.8. Above 0 there is a table referrals, and customers have a `referral_arm`: a quarter of them,
        by lot, are offered no reward. Who is won, when and by which channel stays as it is without: as the
        number of customers is set, how many they refer in all varies less than in a branching process.
    referral_days : float
        Mean cycle time: days from winning a customer to winning one whom they refer, 1 to 3,650.
    referral_lift, referral_stay : float
        What being referred does: factor of the own purchase rate, 1 to 10, and of the rate of leaving,
        0.01 to 1.
    likeness : float
        How much who is referred resembles who referred them, in purchase rate: 0 (not at all) to 1 (rank
        correlation of a third). Heavier buyers refer more, so that those referred buy more by selection too.
    reward_effect : float
        By how much the reward multiplies the number that a customer refers, 1 to 10.
    tables : iterable of str, optional
        Which of customers, orders, touches, outcomes, memberships, costs, and where customers refer others
        referrals, to make; all by default.
    currency : str
        Name of the currency.
    engine : {"pandas", "polars", "duckdb"}

    Returns
    -------
    Tables
        With `truth`; columns as `data/README.md` has them. Without memberships, and with a note, where
        nobody joined.

    Raises
    ------
    ParameterError
        A parameter out of its range, an unknown channel or table, referrals with `channels_off`.

    Examples
    --------
    >>> tables = simulate(np.random.default_rng(1), customers=100)
    >>> tables.simulated, len(tables["customers"])
    (True, 100)
    """
    from crmlib.data.engines import known_engine

    known_engine(engine)
    day = as_date(as_of, name="as_of")
    if day is None:
        raise ParameterError("as_of is not set; give a date as YYYY-MM-DD")
    asked = {name: value for name, value in locals().items() if name in _PARAMETERS}
    known = Parameters(**asked | {"as_of": day, "channels_off": check_channels(channels_off)})
    parameters.check(known)
    chosen = _chosen(tables, known.reproduction > 0)
    entropy = _entropy(rng)
    columns, truth = firm(known, entropy, chosen)
    frames = {name: frame(values, name, engine) for name, values in columns.items()}
    rows = {name: length(values) for name, values in columns.items()}
    notes = tuple(_ABSENT[name] for name in chosen if name not in frames)
    mark = _fingerprint(known, entropy, chosen)
    return Tables(frames, "simulated", engine, currency, day, mark, rows, truth, notes)


_PARAMETERS = frozenset(Parameters.__dataclass_fields__)
_ABSENT = {
    "customers": "no customers: nobody converts without the channels that are off",
    "orders": "no orders: nobody converts without the channels that are off",
    "memberships": "no memberships: nobody joined a loyalty programme",
    "referrals": "no referrals: nobody has invited anyone yet",
}


def default_firm(name: str, engine: str) -> Tables:
    """What `load` gives of a simulated firm's name."""
    if name == "subscribers":
        return simulate_subscribers(np.random.default_rng(subscribers.SEED), engine=engine)
    return simulate(np.random.default_rng(SEED), engine=engine)


def default_fingerprint(name: str = "simulated") -> str:
    """Fingerprint of a simulated firm that `load` gives, without simulating."""
    if name == "subscribers":
        return subscribers.default_fingerprint()
    options = inspect.signature(simulate).parameters.items()
    defaults = {name: option.default for name, option in options if name in _PARAMETERS}
    defaults["as_of"] = datetime.date.fromisoformat(defaults["as_of"])
    return _fingerprint(Parameters(**defaults), _entropy(np.random.default_rng(SEED)), TABLES)


def _chosen(tables: Iterable[str] | None, referring: bool) -> tuple[str, ...]:
    there = (*TABLES, REFERRALS) if referring else TABLES
    names = there if tables is None else (tables,) if isinstance(tables, str) else tuple(tables)
    if REFERRALS in names and not referring:
        raise ParameterError("nobody refers anyone in this firm; set reproduction above 0, such as 0.4")
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        raise ParameterError(f"tables are {list(names)}; give some of {', '.join(there)}")
    return tuple(name for name in there if name in names)


def _entropy(rng: np.random.Generator) -> tuple[int, ...]:
    """Take from the generator what all streams come from: it moves on, so that a second firm is another."""
    return tuple(int(word) for word in rng.integers(0, 2**32, 4))


def _fingerprint(known: Parameters, entropy: tuple[int, ...], tables: tuple[str, ...]) -> str:
    parameters_told = asdict(known)
    if not known.intent_value:  # what is off leaves firms as they were before there was such an option
        del parameters_told["intent_value"]
    if not known.reproduction:
        parameters_told = {name: value for name, value in parameters_told.items() if name not in REFERRING}
    told = {"version": VERSION, "parameters": parameters_told, "entropy": entropy, "tables": tables}
    text = json.dumps(told, sort_keys=True, default=_plain)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
