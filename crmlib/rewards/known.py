"""Points pressure and defection where the truth is known: programmes simulated with and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError
from crmlib.rewards.cards import card_progress, simulated_cards
from crmlib.rewards.constant_rate import constant_rate_pressure
from crmlib.rewards.defection import defection, true_defection
from crmlib.rewards.departures import simulated_departures
from crmlib.rewards.lapses import lapse_trials
from crmlib.rewards.pressure import points_pressure

if TYPE_CHECKING:
    import pandas as pd


def cardless_pressure(
    rng: np.random.Generator,
    *,
    programmes: int = 20,
    members: int = 300,
    threshold: int = 10,
    seasonality: float = 1.0,
    fading: float = 0.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: pressure that is found where nobody holds a card, by both estimates; simulated.

    Parameters
    ----------
    rng : numpy.random.Generator
    programmes, members : int
        Number of programmes, and of members in each; at least 1 and 2.
    threshold : int
        Purchases of the card that is looked for.
    seasonality, fading
        As in `simulated_cards`.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a programme and estimate
        programme (from 1), estimate ("own month" of `points_pressure`, "constant rate" of `constant_rate_pressure`),
        value, low, high (of the acceleration, in truth 1), alarm (bool: 1 is outside the interval).

    Raises
    ------
    ParameterError, DataError
    """
    import pandas as pd

    if programmes < 1 or members < 2:
        raise ParameterError(f"programmes is {programmes}, members {members}; give at least 1 and 2")
    orders, joins = simulated_cards(
        rng,
        members=programmes * members,
        threshold=threshold,
        acceleration=1.0,
        seasonality=seasonality,
        fading=fading,
    )
    progress = card_progress(orders, joins, threshold=threshold, as_of="2025-12-31")
    rows = []
    for number, (_, part) in enumerate(progress.groupby(progress["customer_id"] // members), start=1):
        for name, estimate in (("own month", points_pressure), ("constant rate", constant_rate_pressure)):
            found = estimate(part, level=level).acceleration
            alarm = not found["low"] <= 1 <= found["high"]
            rows.append((number, name, found["value"], found["low"], found["high"], alarm))
    return pd.DataFrame(rows, columns=["programme", "estimate", "value", "low", "high", "alarm"])


def hidden_reasons(
    *,
    customers: int = 3_000,
    effect: float = 0.6,
    hidden: Sequence[float] = (0.0, 0.5, 1.0),
    months: int = 6,
    level: float = 0.95,
    seed: int,
) -> pd.DataFrame:
    """Array: the difference in lapsing as those who would stay anyway are drawn in, for reasons that nobody sees.

    Parameters
    ----------
    customers, effect : int, float
        Of each simulated programme, see `simulated_departures`.
    hidden : sequence of float
        Powers of the own hazard of leaving in the chance to join.
    months, level
        As in `defection`.
    seed : int
        The same for all programmes.

    Returns
    -------
    pandas.DataFrame, one row a programme
        hidden, truth, difference, low, high, unadjusted (members less the others as they are).
    """
    import pandas as pd

    rows = []
    for power in hidden:
        rng = np.random.default_rng(seed)
        world = simulated_departures(rng, customers=customers, effect=effect, hidden=power)
        trials = lapse_trials(world.orders, world.memberships, as_of=world.as_of)
        found = defection(trials, months=months, level=level).overall
        truth = true_defection(world, months=months)
        rows.append((power, truth, *found[["difference", "low", "high"]], found["members"] - found["others"]))
    return pd.DataFrame(rows, columns=["hidden", "truth", "difference", "low", "high", "unadjusted"])
