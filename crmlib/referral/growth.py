r"""What the reproduction number does over generations and over time.

A customer brings R, these :math:`R^2`, and so on: as long as R is below 1 all of them together are
:math:`1 / (1 - R)` customers, the one who came first included (Harris 1963). From 1 on the sum has no end: referrals
alone keep the base growing, until the people who could be referred run out. Almost no programme is there; below 1
referral multiplies what other marketing brings (Watts, Peretti & Frumin 2007).

How fast is a matter of the cycle time: new customers of a day are the seeds of that day and those whom earlier
customers bring, :math:`b(t) = m(t) + \sum_s dR(s)\, b(t - s)`, which in the end grows at the rate r of
:math:`\sum_s e^{-rs}\, dR(s) = 1` (Euler and Lotka; Wallinga & Lipsitch 2007).

References
----------
Harris, T. E. (1963), The theory of branching processes, Springer.
Wallinga, J., & Lipsitch, M. (2007), How generation intervals shape the relationship between growth rates and
    reproductive numbers, Proceedings of the Royal Society B 274, 599-604.
Watts, D. J., Peretti, J., & Frumin, M. (2007), Viral marketing for the real world, Harvard Business Review 85(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.referral.base import ReferralBase, require_days
from crmlib.referral.reproduction import Counts

if TYPE_CHECKING:
    import pandas as pd


def growth_multiplier(
    reproduction: float, low: float = np.nan, high: float = np.nan, *, later: float | None = None
) -> dict[str, float]:
    r"""Array: customers that one customer becomes over all generations, themself included.

    :math:`1 / (1 - R)`; where those referred bring another number, R', than those who came by themselves, with
    `later` R': :math:`1 + R / (1 - R')`.

    Parameters
    ----------
    reproduction, low, high : float
        R and its interval, at least 0; an interval that is not known is NaN.
    later : float, optional
        R of those who were referred; the interval is then for it as given.

    Returns
    -------
    dict
        multiplier, low, high: infinite where R (or R') is 1 or more.

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> growth_multiplier(0.5, 0.4, 0.6)["multiplier"]
    2.0
    """
    found = {}
    for name, value in {"multiplier": reproduction, "low": low, "high": high}.items():
        after = value if later is None else later
        if value < 0 or after < 0:
            raise ParameterError(f"a reproduction number is {min(value, after)}; give 0 or more")
        if np.isnan(value) or np.isnan(after):
            found[name] = np.nan
        elif value == 0:
            found[name] = 1.0
        else:
            found[name] = 1 + value / (1 - after) if after < 1 else np.inf
    return found


def generation_sizes(base: ReferralBase, reproduction: float | None = None, generations: int = 5) -> pd.DataFrame:
    """Array: customers by generation: those there are, and those that R expects in the end.

    Parameters
    ----------
    base : ReferralBase
    reproduction : float, optional
        R, for what generation 0 brings once all have had their time.
    generations : int
        Last generation shown.

    Returns
    -------
    pandas.DataFrame, one row a generation
        generation, customers (won so far), expected (customers of generation 0 times R to the power of the generation;
        with `reproduction`). Customers in a loop of referrals are in none.
    """
    import pandas as pd

    if isinstance(generations, bool) or not hasattr(generations, "__index__") or generations < 0:
        raise ParameterError(f"generations is {generations!r}; give a whole number from 0 on")
    known = base.customers["generation"].dropna().astype(int)
    number = np.bincount(known, minlength=generations + 1)[: generations + 1]
    table = pd.DataFrame({"generation": np.arange(generations + 1), "customers": number})
    if reproduction is not None:
        growth_multiplier(reproduction)  # refuses a negative one
        table["expected"] = number[0] * reproduction ** table["generation"].to_numpy(dtype=float)
    return table


def growth_curve(
    base: ReferralBase,
    *,
    days: int,
    horizon: int,
    seeds: float = 1.0,
    seed_days: int | None = None,
    reproduction: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Array: customers expected day by day from customers won by other means, with those whom they bring.

    Parameters
    ----------
    base : ReferralBase
        Gives the reproduction curve: when a customer brings whom.
    days : int
        Window of the reproduction number; nobody brings anyone later.
    horizon : int
        Days to look ahead, at least 1.
    seeds : float
        Customers won a day by other means, above 0.
    seed_days : int, optional
        For so many days from the start; default all. 1 follows what one day's customers become.
    reproduction : (float, float), optional
        Interval of R: the curve is drawn for both ends too, its shape kept, as low and high.

    Returns
    -------
    pandas.DataFrame, one row a day from 0
        day, seeds, referred (won that day by referral), cumulative (all won so far), and low, high of cumulative.

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    if isinstance(horizon, bool) or not hasattr(horizon, "__index__") or not 1 <= horizon <= 36_500:
        raise ParameterError(f"horizon is {horizon!r}; give a whole number of days from 1 to 36500")
    if not 0 < seeds < np.inf:
        raise ParameterError(f"seeds is {seeds}; give a number of customers a day above 0")
    steps = _steps(base, days)
    total = steps.sum()
    own = np.full(horizon + 1, float(seeds))
    own[horizon + 1 if seed_days is None else seed_days :] = 0.0
    made = renewal(own, steps)
    table = pd.DataFrame({"day": np.arange(horizon + 1), "seeds": own, "referred": made - own})
    table["cumulative"] = np.cumsum(made)
    if reproduction is not None:
        for name, value in zip(("low", "high"), reproduction, strict=True):
            scaled = steps * (value / total) if total else steps
            table[name] = np.cumsum(renewal(own, scaled))
    return table


def growth_rate(base: ReferralBase, *, days: int, reproduction: tuple[float, float] | None = None) -> dict[str, float]:
    """Array: rate at which referrals alone grow or die out in the end.

    Parameters
    ----------
    base, days
        As in `growth_curve`.
    reproduction : (float, float), optional
        Interval of R, both above 0: the rate is found for both ends too, the curve's shape kept.

    Returns
    -------
    dict
        rate (a day; negative while R is below 1), low, high (NaN without `reproduction`), doubling_days (NaN while they
        die out), halving_days (NaN while they grow).

    Raises
    ------
    ParameterError
    DataError
        Nobody has brought anyone, or all on the day they came.
    """
    steps = _steps(base, days)
    if not steps[1:].sum():
        raise DataError(f"nobody has brought a customer after the first day and within {days} days: no rate of growth")
    low = high = np.nan
    if reproduction is not None:
        if not 0 < min(reproduction) <= max(reproduction) < np.inf:
            raise ParameterError(f"reproduction is {reproduction}; give an interval of two numbers above 0")
        low, high = (_rate(steps * (end / steps.sum())) for end in reproduction)
    rate = _rate(steps)
    time = np.log(2) / abs(rate) if rate else np.inf
    found = {"rate": rate, "low": low, "high": high}
    return found | {"doubling_days": time if rate > 0 else np.nan, "halving_days": np.nan if rate > 0 else time}


def _rate(steps: np.ndarray) -> float:
    """Solution of the Euler-Lotka equation by whole days."""
    from scipy.optimize import brentq

    ages = np.arange(len(steps))

    def beyond(rate: float) -> float:
        return float(steps @ np.exp(-rate * ages)) - 1

    low, high = -1e-6, 1e-6
    while beyond(low) < 0:
        low *= 2
    while beyond(high) > 0:
        high *= 2
    return float(brentq(beyond, low, high, xtol=1e-14))


def _steps(base: ReferralBase, days: int) -> np.ndarray:
    days = require_days(base, days)
    return Counts.of(base, days, np.ones(len(base.customers), dtype=bool)).steps


def renewal(own: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Array: new customers of each day, from those won by other means and what each brings by age.

    Parameters
    ----------
    own : array, shape (days,)
        Customers won each day by other means.
    steps : array, shape (ages,)
        Customers that each brings at each age in days, from 0; below 1 at age 0, as those brought on a day bring others
        the same day.

    Returns
    -------
    array, shape (days,)

    Raises
    ------
    DataError

    Examples
    --------
    >>> renewal(np.array([8.0, 0, 0, 0]), np.array([0.0, 0.5]))
    array([8., 4., 2., 1.])
    """
    if steps[0] >= 1:
        raise DataError("customers bring more than one each on the day they come: growth has no end within a day")
    made = np.zeros(len(own))
    for day in range(len(own)):
        back = min(day, len(steps) - 1)
        brought = steps[1 : back + 1] @ made[day - back : day][::-1] if back else 0.0
        made[day] = (own[day] + brought) / (1 - steps[0])
    return made
