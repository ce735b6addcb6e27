r"""Value of customers under contract: payments to come, which end when a renewal is not made.

Just before the next renewal a customer who has made n is worth :math:`m \sum_{j \ge 0} \frac{S(n + 1 + j)}{S(n)}
(1 + d)^{-j}` payments times the margin m of one: the discounted expected residual lifetime. What may come of one
customer is a number K of further renewals with :math:`P(K \ge k) = S(n + k) / S(n)`, so that quantiles and
variance are exact.

References
----------
Fader, P. S., & Hardie, B. G. S. (2010), Customer-base valuation in a contractual setting: the perils of
    ignoring heterogeneity, Marketing Science 29, 85-93.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import column_names, number_table, numbers, require_unique
from crmlib.errors import DataError, ParameterError
from crmlib.models.renewals import discounts
from crmlib.options import number, whole

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import ContractResults

Floats = NDArray[np.float64]


class ContractValuation:
    """Checked inputs of a valuation, and what depends on the number of renewals alone, found once for each."""

    def __init__(
        self,
        contracts: ContractResults,
        payment: Any,
        history: Any,
        rate: float,
        horizon: float,
        margin_rate: float,
    ) -> None:
        self.contracts = contracts
        self.rate, self.horizon = number(rate, "discount_rate"), number(horizon, "horizon")
        self.renewals, payments, self.customer_id = _read(history, payment)
        self.each = margin_rate * payments
        self.made, self.place = np.unique(self.renewals, return_inverse=True)
        self.worth = np.cumsum(discounts(self.rate, self.horizon))  # of making 1, 2, … further renewals
        self.lifetime = contracts.residual_lifetime(self.rate, self.made, horizon=self.horizon)

    def table(self, interval: str | None, level: float) -> pd.DataFrame:
        """`customer_lifetime_value` of contracts."""
        import pandas as pd

        expected = self.lifetime[self.place]
        columns = {
            "probability_alive": np.ones(len(expected)),
            "transactions": expected,
            "order_value": self.each,
            "value": self.each * expected,
        }
        if interval == "expectation":
            ends = self.contracts.residual_lifetime_interval(self.rate, self.made, horizon=self.horizon, level=level)
            columns |= {name: self.each * ends[name].to_numpy()[self.place] for name in ("low", "high")}
        if interval == "prediction":
            low, high = self._quantiles(level)
            columns |= {"low": self.each * low[self.place], "high": self.each * high[self.place]}
        table = pd.DataFrame(columns)
        if self.customer_id is not None:
            table.insert(0, "customer_id", self.customer_id)
        return table

    def total(self) -> tuple[float, float, float]:
        """Value of all, its parameter error and its process error."""
        payments = np.bincount(self.place, weights=self.each)
        squares = np.bincount(self.place, weights=self.each**2)
        residual = self.contracts.residual(self.rate, self.made, self.horizon)
        slope = self.contracts.slopes(lambda free: np.asarray(payments @ residual(free)))
        parameter = float(np.sqrt(slope @ self.contracts.free_cov @ slope))
        # E(D²) of the discounted sum D of K renewals: each step of the square of its worth, times its chance
        steps = np.diff(self.worth**2, prepend=0.0)
        second = np.array([self._chances(n) @ steps for n in self.made])
        process = float(np.sqrt(squares @ (second - self.lifetime**2).clip(0)))
        return float(payments @ self.lifetime), parameter, process

    def _chances(self, n: float) -> Floats:
        """Chance to make at least 1, 2, … further renewals after n."""
        ahead = np.arange(1, len(self.worth) + 1)
        return self.contracts.chances(np.array([n]), ahead)[0]

    def _quantiles(self, level: float) -> tuple[Floats, Floats]:
        tail = (1 - level) / 2
        chance = [self._chances(n) for n in self.made]
        counts = [np.array([int((own > edge).sum()) for own in chance]) for edge in (1 - tail, tail)]
        worth = np.concatenate([[0.0], self.worth])
        return worth[counts[0]], worth[counts[1]]


def cohort_holdout(customers: ArrayLike, *, fitted: int) -> pd.DataFrame:
    """Array: hold-out of one cohort of contracts, from the numbers of its customers still there.

    Parameters
    ----------
    customers : array-like of counts
        After 0, 1, 2, … renewals, as `ShiftedBetaGeometric.from_survivors` takes them, but for longer than the fit.
    fitted : int
        After how many renewals the fit ended.

    Returns
    -------
    pandas.DataFrame, one row a number of renewals made later
        renewals (made at the cut), holdout_periods (renewals that came up since), holdout_renewals (made of them),
        customers: for `holdout_evaluation` and `health_card`.

    Raises
    ------
    DataError
        Counts that rise, or too few of them.

    Examples
    --------
    >>> cohort_holdout([1000, 631, 468, 382], fitted=1)
       renewals  holdout_periods  holdout_renewals  customers
    0         1                2                 0        163
    1         1                2                 1         86
    2         1                2                 2        382
    """
    import pandas as pd

    n = numbers(customers, "customers")
    if n.ndim != 1 or not np.all(np.isfinite(n)) or np.any(np.diff(n) > 0) or np.any(n < 0) or np.any(n % 1):
        raise DataError("customers must be whole numbers that do not rise: who is there after 0, 1, 2… renewals")
    if not 0 <= whole(fitted, "fitted") < len(n) - 1:
        raise ParameterError(f"fitted is {fitted}; give a number of renewals with some after it, up to {len(n) - 2}")
    later = len(n) - 1 - fitted
    lost = np.append(-np.diff(n[fitted:]), n[-1]).astype(int)
    columns = {"renewals": fitted, "holdout_periods": later, "holdout_renewals": range(later + 1), "customers": lost}
    return pd.DataFrame(columns)


def _read(history: Any, payment: Any) -> tuple[Floats, Floats, Any]:
    """Renewals made, payment of a period, and id of each customer.

    Raises
    ------
    MissingColumnsError, DataError, ParameterError
    """
    named = isinstance(payment, str)
    if not named and not (isinstance(payment, int | float) and 0 < payment < np.inf):
        raise ParameterError(
            f"spend is {payment!r}; of a contract give the payment of a period, above 0, or the name of its column"
        )
    ids = ["customer_id"] if "customer_id" in column_names(history, table="history") else []
    table = number_table(history, ["renewals", *([payment] if named else [])], table="history", others=ids)
    if table.empty:
        raise DataError("history has no customers; there is nothing to value")
    n = table["renewals"].to_numpy(dtype=float)
    if not (np.all(np.isfinite(n)) and np.all(n >= 0) and np.all(n == np.floor(n))):
        raise DataError("renewals must be whole numbers of at least 0: how many each customer still there has made")
    payments = table[payment].to_numpy(dtype=float) if named else np.full(len(n), float(payment))
    if not (np.all(np.isfinite(payments)) and np.all(payments >= 0)):
        raise DataError(f"{payment} must be payments of a period: finite and at least 0 for every customer")
    if ids:
        require_unique(table["customer_id"], table="history")
    return n, payments, table["customer_id"] if ids else None
