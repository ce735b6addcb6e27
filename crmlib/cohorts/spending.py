r"""How much to spend on winning customers and how much on keeping them, after Blattberg and Deighton (1996).

Both responses are saturating, :math:`a(A) = f_a + (c_a - f_a) (1 - e^{-k_a A})` with spending A a prospect, and r(R)
likewise with spending R a customer and period. Each is fixed by one observed point, the present spending and
rate, by a *ceiling* c, the rate that unlimited spending would reach, and by a *floor* f, the rate without any;
both are judgements and no estimates (Blattberg and Deighton have a floor of 0). With a margin m a period, a
discount d and :math:`r' = r / (1 + d)`, the customer equity of a prospect is

.. math:: a m - A + a \left(m - \frac{R}{r}\right) \frac{r'}{1 - r'} .

References
----------
Blattberg, R. C., & Deighton, J. (1996), Manage marketing by the customer equity test, Harvard Business Review
    74(4), 136-144.
Gupta, S., & Lehmann, D. R. (2003), Customers as assets, Journal of Interactive Marketing 17(1), 9-24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Points of the grid on which the best retention spending is first looked for.
_GRID = 400


@dataclass(frozen=True, slots=True)
class Effort:
    """What was tried: of `tried` prospects or customers, `reached` were won or kept, at `spend` each.

    Judgements, as shares: `ceiling` that unlimited spending would reach, above the one observed; `floor` that
    no spending would, below it.
    """

    tried: int
    reached: int
    spend: float
    ceiling: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.reached <= self.tried):
            raise DataError(f"{self.reached} of {self.tried} were reached; give at least one, at most all")
        if not (np.isfinite(self.spend) and self.spend > 0):
            raise ParameterError(f"spend is {self.spend}; give what was spent on each, above 0")
        if not 0 <= self.floor < self.rate:
            raise ParameterError(f"floor is {self.floor}; give a share from 0 to below the {self.rate:.3g} observed")
        if not self.reached / self.tried < self.ceiling <= 1:
            raise ParameterError(
                f"ceiling is {self.ceiling}; give a share above the {self.rate:.3g} observed, at most 1"
            )

    @property
    def rate(self) -> float:
        """Share that was reached."""
        return self.reached / self.tried


def response(effort: Effort, spend: Any, *, rate: Any = None) -> Any:
    """Array: share reached at a spending, by the curve through the observed point below its ceiling.

    Parameters
    ----------
    effort : Effort
    spend : float or array
        Spending a prospect, or a customer and period, at least 0.
    rate : float or array, optional
        Another observed rate than the effort's own, as in a resample.
    """
    steepness = _steepness(effort, effort.rate if rate is None else rate)
    room = effort.ceiling - effort.floor
    return effort.floor + room * -np.expm1(-steepness * np.asarray(spend, dtype=float))


def customer_equity(
    winning: Effort, keeping: Effort, *, acquisition: Any, retention: Any, margin: float, discount_rate: float
) -> Any:
    """Array: expected value of a prospect at given spendings (Blattberg & Deighton 1996); negative if it does not pay.

    Parameters
    ----------
    winning, keeping : Effort
    acquisition, retention : float or array
        Spending a prospect; spending a customer and period.
    margin : float
        Of a period, before that spending.
    discount_rate : float
        Between two periods, above 0.
    """
    _require(margin, discount_rate)
    share = response(winning, acquisition)
    later = _later(keeping, np.asarray(retention, dtype=float), keeping.rate, margin, discount_rate)
    return share * (margin + later) - np.asarray(acquisition, dtype=float)


def spending_plan(
    winning: Effort,
    keeping: Effort,
    *,
    margin: float,
    discount_rate: float,
    level: float = 0.95,
    draws: int = 2_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: present and best spending on winning and on keeping, and what a customer is worth, with intervals.

    The marginal rule: spend on prospects until the last unit of money wins customers worth one unit, a'(A) times
    the worth of a customer = 1; spend on customers until the last unit raises what they still bring by no more
    than itself. The intervals carry the chance in the observed rates (Jeffreys' posterior between floor
    and ceiling). They carry neither these nor the form of the curves: move those by hand.

    Parameters
    ----------
    winning, keeping : Effort
    margin, discount_rate
        As in `customer_equity`.
    level, draws
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a quantity
        quantity, value, low, high. Quantities: customer_value_now (of a won customer, at present retention
        spending; the most that winning one may cost), cost_to_win_now, cost_of_next_win_now (spending that wins
        one more, at the margin), retention_now, retention_spend_best, retention_best, customer_value_best,
        acquisition_spend_best, acquisition_best, equity_now, equity_best (of a prospect).

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    _require(margin, discount_rate)
    require_level(level)
    point = _quantities(winning, keeping, np.array([winning.rate]), np.array([keeping.rate]), margin, discount_rate)
    rates = [_posterior(effort, draws, rng) for effort in (winning, keeping)]
    drawn = _quantities(winning, keeping, rates[0], rates[1], margin, discount_rate)
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = [(name, float(point[name][0]), *np.quantile(drawn[name], tails)) for name in point]
    return pd.DataFrame(rows, columns=["quantity", "value", "low", "high"])


def _quantities(
    winning: Effort, keeping: Effort, won: Floats, kept: Floats, margin: float, d: float
) -> dict[str, Floats]:
    now = margin + _later(keeping, np.full_like(kept, keeping.spend), kept, margin, d)
    best = _best_retention_spend(keeping, kept, margin, d)
    worth = margin + _later(keeping, best, kept, margin, d)
    steepness = _steepness(winning, won)
    # a'(A) V = 1 at A = log((c - f) k V) / k; nothing is spent where even the first unit does not pay
    spend = np.log(np.maximum((winning.ceiling - winning.floor) * steepness * worth, 1.0)) / steepness
    share = response(winning, spend, rate=won)
    return {
        "customer_value_now": now,
        "cost_to_win_now": winning.spend / won,
        "cost_of_next_win_now": 1 / (steepness * (winning.ceiling - won)),
        "retention_now": kept,
        "retention_spend_best": best,
        "retention_best": response(keeping, best, rate=kept),
        "customer_value_best": worth,
        "acquisition_spend_best": spend,
        "acquisition_best": share,
        "equity_now": won * now - winning.spend,
        "equity_best": share * worth - spend,
    }


def _later(keeping: Effort, spend: Floats, rate: Any, margin: float, d: float) -> Any:
    """What a customer brings after the first period: (m - R / r) r' / (1 - r') = (m r - R) / (1 + d - r)."""
    kept = response(keeping, spend, rate=rate)
    return (margin * kept - spend) / (1 + d - kept)


def _best_retention_spend(keeping: Effort, rate: Floats, margin: float, d: float) -> Floats:
    """Spending at which what a customer brings later is largest: on a grid, then finer around its best point."""
    steepness = _steepness(keeping, rate)[:, None]
    # beyond ceiling * margin the spending exceeds what any retention could bring back in a period
    low, high = np.zeros((len(rate), 1)), np.full((len(rate), 1), keeping.ceiling * margin)
    for _ in range(4):
        grid = low + (high - low) * np.linspace(0, 1, _GRID)
        kept = keeping.floor + (keeping.ceiling - keeping.floor) * -np.expm1(-steepness * grid)
        place = ((margin * kept - grid) / (1 + d - kept)).argmax(axis=1)[:, None]
        step = (high - low) / (_GRID - 1)
        middle = np.take_along_axis(grid, place, axis=1)
        low, high = np.maximum(middle - step, 0), middle + step
    return middle[:, 0]


def _steepness(effort: Effort, rate: Any) -> Any:
    reached = (np.asarray(rate, dtype=float) - effort.floor) / (effort.ceiling - effort.floor)
    return -np.log1p(-reached) / effort.spend


def _posterior(effort: Effort, draws: int, rng: np.random.Generator) -> Floats:
    """Draws of the true rate given the trial, kept between floor and ceiling: quantiles of the truncated beta."""
    from scipy.special import betainc, betaincinv

    a, b = effort.reached + 0.5, effort.tried - effort.reached + 0.5
    ends = betainc(a, b, np.array([effort.floor, effort.ceiling]))
    drawn = betaincinv(a, b, rng.uniform(float(ends[0]), float(ends[1]), draws))
    crumb = 1e-9 * (effort.ceiling - effort.floor)
    return np.clip(drawn, effort.floor + crumb, effort.ceiling - crumb)


def _require(margin: float, discount_rate: float) -> None:
    if np.isnan(margin):
        raise DataError("the margin of a period is missing; take it from customers whose charge is known")
    if not (np.isfinite(margin) and margin > 0):
        raise ParameterError(f"margin is {margin}; give the margin of a period, above 0")
    if not (np.isfinite(discount_rate) and discount_rate > 0):
        raise ParameterError(f"discount_rate is {discount_rate}; give one above 0, between two periods")
