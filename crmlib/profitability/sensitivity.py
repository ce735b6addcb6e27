"""How the verdict moves when the assumed cost of serving customers does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError
from crmlib.profitability.periods import paired_margins
from crmlib.profitability.poaching import poaching_break_even

if TYPE_CHECKING:
    import pandas as pd


def cost_sensitivity(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    factors: Sequence[float],
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what letting the unprofitable go is worth if avoidable cost were so many times as high.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Margins of two periods, as `customer_margin` gives them.
    factors : sequence of float
        By what all avoidable cost is multiplied, at least 0; 1 is as stated.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a factor
        factor, customers (below zero in the first period), share (of all), claimed (minus their margin of the first
        period), gain, low, high (minus their margin of the second; the interval NaN with fewer than 30 to let go).

    Raises
    ------
    ParameterError
        A negative factor.
    """
    import pandas as pd

    rows = []
    for factor in factors:
        if not (np.isfinite(factor) and factor >= 0):
            raise ParameterError(f"a factor is {factor}; give 0 or more, 1 being the cost as stated")
        scaled = [
            table.assign(contribution=table["gross_margin"] - factor * table["avoidable_cost"])
            for table in (before, after)
        ]
        pairs = paired_margins(*scaled)
        chosen = (pairs["before"] < 0).to_numpy()
        nobody = np.zeros(len(chosen), dtype=bool)  # nobody is poached here
        found = poaching_break_even(
            pairs["after"], fired=chosen, best=nobody, level=level, replicates=replicates, rng=rng
        )
        claimed = -float(pairs.loc[chosen, "before"].sum())
        rows.append(
            (
                factor,
                int(chosen.sum()),
                chosen.mean() if len(chosen) else np.nan,
                claimed,
                found.gain,
                found.gain_low,
                found.gain_high,
            )
        )
    return pd.DataFrame(rows, columns=["factor", "customers", "share", "claimed", "gain", "low", "high"])
