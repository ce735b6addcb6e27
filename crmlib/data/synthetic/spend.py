r"""Weekly spend and the customers that it brings, with known truth.

Channel c's spend :math:`x_{ct}` carries over, :math:`A_{ct} = (1 - \theta_c) x_{ct} + \theta_c A_{c,t-1}`, and
saturates: it brings :math:`\beta_c (1 - e^{-A_{ct} / \kappa_c})` customers in week t, on top of a base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SpendTruth:
    """What made the weeks: one number a channel, the base, and the mean spend of a week."""

    channels: tuple[str, ...]
    base: float
    effect: Floats
    scale: Floats
    carry: Floats
    usual: Floats


#: Name, mean spend a week, most customers a week, spend at which 63 % of them are reached, carry-over.
_CHANNELS = (
    ("sponsorship", 1_000.0, 120.0, 2_000.0, 0.6),
    ("contextual advertising", 1_500.0, 60.0, 700.0, 0.3),
    ("pay per click", 2_500.0, 50.0, 900.0, 0.0),
)


def weekly_spend(
    rng: np.random.Generator, *, weeks: int = 156, confounded: bool = False, noise: float = 6.0, price: float = 1.0
) -> tuple[pd.DataFrame, SpendTruth]:
    """Weeks of spend by channel and the customers won, and what made them.

    Parameters
    ----------
    rng : numpy.random.Generator
    weeks : int
        At least 2.
    confounded : bool
        If so, a demand that nobody records moves both the spend of each channel and the customers, as
        where a firm advertises when business is good anyway. Otherwise spend varies by lot.
    noise : float
        Standard deviation of a week's customers, above 0.
    price : float
        What all money is multiplied by, above 0: the level of prices.

    Returns
    -------
    (table, truth)
        table: week (from 1), one column a channel (money), customers (float).

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    if isinstance(weeks, bool) or not isinstance(weeks, (int, np.integer)) or weeks < 2:
        raise ParameterError(f"weeks is {weeks!r}; give a whole number from 2 on")
    if not (np.isfinite(noise) and noise > 0):
        raise ParameterError(f"noise is {noise!r}; give a number above 0")
    if not (np.isfinite(price) and price > 0):
        raise ParameterError(f"price is {price!r}; give a number above 0")
    usual, effect, scale, carry = (np.array(column) for column in zip(*(row[1:] for row in _CHANNELS), strict=True))
    usual, scale = price * usual, price * scale
    demand = rng.standard_normal(weeks)
    luck = rng.standard_normal((weeks, len(usual)))
    moved = 0.8 * demand[:, None] + 0.6 * luck if confounded else luck
    spend = usual * np.exp(0.6 * moved - 0.18)
    carried = np.zeros_like(spend)
    before = usual  # as if it had always been so
    for week, row in enumerate(spend):
        before = carried[week] = (1 - carry) * row + carry * before
    customers = 100.0 + (effect * -np.expm1(-carried / scale)).sum(axis=1) + noise * rng.standard_normal(weeks)
    if confounded:
        customers += 15.0 * demand
    names = tuple(row[0] for row in _CHANNELS)
    table = pd.DataFrame(spend, columns=list(names))
    table.insert(0, "week", np.arange(1, weeks + 1))
    return table.assign(customers=customers), SpendTruth(names, 100.0, effect, scale, carry, usual)
