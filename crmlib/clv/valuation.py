"""The expectations behind lifetime value and their slopes, for blocks of customers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.columns import column_names, number_table, require_unique
from crmlib.errors import DataError, ParameterError
from crmlib.likelihood import Rows, distinct_rows
from crmlib.models.gamma_gamma import spending
from crmlib.models.histories import Histories, checked_histories
from crmlib.options import number

if TYPE_CHECKING:
    from crmlib.models import GammaGammaResults, TransactionResults

Floats = NDArray[np.float64]

#: Customers at a time.
BLOCK = 100_000
#: Step of the central differences on the free scale.
STEP = 1e-4


@dataclass(frozen=True, eq=False)
class Expectations:
    """Expectations of a block of customers; slopes of value by the free parameters of both models, (k, n)."""

    probability_alive: Floats
    transactions: Floats
    order_value: Floats
    slopes: Floats
    free_cov: Floats

    @property
    def value(self) -> Floats:
        """Expected value."""
        return self.transactions * self.order_value

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Delta-method interval of the expected value, on the log scale."""
        from scipy.stats import norm

        error = np.sqrt(np.einsum("in,ij,jn->n", self.slopes, self.free_cov, self.slopes).clip(0))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.exp(norm.ppf(0.5 + level / 2) * np.where(self.value > 0, error / self.value, 0.0))
        return self.value / step, self.value * step


class Valuation:
    """Checked inputs of a valuation, and what depends on (frequency, age) alone, found once for each."""

    def __init__(
        self,
        purchases: TransactionResults,
        spend: GammaGammaResults | float | str,
        history: Any,
        rate: float,
        horizon: float,
        margin_rate: float,
        *,
        slopes: bool = True,
    ) -> None:
        rate, horizon = number(rate, "discount_rate"), number(horizon, "horizon")
        if not 0 < number(margin_rate, "margin_rate") <= 1:
            raise ParameterError(f"margin_rate is {margin_rate}; give the share of revenue, above 0 to 1")
        fixed = isinstance(spend, int | float) and not isinstance(spend, bool) and 0 < spend < np.inf
        if not (isinstance(spend, str) or hasattr(spend, "expectation") or fixed):
            raise ParameterError(
                f"spend is {spend!r}; give a fitted GammaGamma, an order's value above 0, or the name of its column"
            )
        self.purchases, self.rate, self.horizon, self.margin_rate = purchases, rate, horizon, margin_rate
        self.spend: Any = spend
        self._read(history)
        self.pairs = distinct_rows(self.x, self.age, *self.rate_values.T, *self.dropout_values.T)
        self.points = self._points(purchases.free) if slopes else [purchases.free]
        future = purchases.future_discounted(rate, horizon)
        self.future = np.stack([future(self.posterior(point)) for point in self.points])

    def _read(self, history: Any) -> None:
        model = self.purchases.model
        ids = ["customer_id"] if "customer_id" in column_names(history, table="history") else []
        covariates = (*model.rate_names, *model.dropout_names)
        wanted = ["frequency", "recency", "age", *covariates]
        wanted += ["monetary_value"] if self.modelled else [self.spend] * isinstance(self.spend, str)
        table = number_table(history, wanted, table="history", others=ids)
        if table.empty:
            raise DataError("history has no customers; there is nothing to value")
        x, recency, age = (table[name].to_numpy(dtype=float) for name in ("frequency", "recency", "age"))
        self.x, self.recency, self.age = checked_histories(x, recency, age)
        self.rate_values, self.dropout_values = (
            table[list(names)].to_numpy(dtype=float) for names in (model.rate_names, model.dropout_names)
        )
        if not (np.isfinite(self.rate_values).all() and np.isfinite(self.dropout_values).all()):
            raise DataError("a covariate is missing or infinite; drop or fill these customers")
        self.z = np.zeros(len(x))
        if self.modelled:
            self.z = spending(self.x, table["monetary_value"])[1]
            self.z = np.where(self.x > 0, self.z, 0.0)
        elif isinstance(self.spend, str):
            self.z = table[self.spend].to_numpy(dtype=float)
            if not (np.isfinite(self.z).all() and (self.z >= 0).all()):
                raise DataError(f"{self.spend} must be values of an order: finite and at least 0 for every customer")
        self.customer_id = table["customer_id"] if ids else None
        if ids:
            require_unique(table["customer_id"], table="history")
        self.customers = len(self.x)

    @property
    def modelled(self) -> bool:
        """Whether order values come from a model."""
        return hasattr(self.spend, "expectation")

    def own_values(self, part: slice) -> Floats:
        """Margin of an order where there is no model of it: each customer's, or one for all."""
        if isinstance(self.spend, str):
            return self.margin_rate * self.z[part]
        return np.full(len(self.x[part]), self.margin_rate * float(self.spend))

    @property
    def free_cov(self) -> Floats:
        """Covariance of the free parameters of both models, which are taken as independent."""
        own = self.purchases.free_cov
        other = self.spend.free_cov if self.modelled else np.empty((0, 0))
        joint = np.zeros((len(own) + len(other),) * 2)
        joint[: len(own), : len(own)], joint[len(own) :, len(own) :] = own, other
        return joint

    def shape_of_spend(self) -> float:
        """Smallest shape q + p x of the customers' spend; infinite for a given order value."""
        if not self.modelled:
            return float(np.inf)
        p, q, _ = self.spend.params
        return float(q + p * self.x.min())

    def blocks(self) -> Iterator[slice]:
        """Parts of the customers, so that what is made on the way stays small."""
        for start in range(0, self.customers, BLOCK):
            yield slice(start, min(start + BLOCK, self.customers))

    def posterior(self, free: Floats) -> tuple[Floats, ...]:
        """Parameters of the active for each distinct (frequency, age)."""
        model, first = self.purchases.model, self.pairs.first
        given = self._histories(first)
        return model.active_posterior(model.theta(free, model.effects_of(given)), given.x, given.age)

    def expectations(self, part: slice, *, slopes: bool) -> Expectations:
        """Expectations of a block, with slopes by both models' parameters or none."""
        model, given = self.purchases.model, self._histories(part)
        effects, place = model.effects_of(given), self.pairs.place[part]
        alive, future = [], []
        for i, point in enumerate(self.points if slopes else self.points[:1]):
            theta = model.theta(point, effects)
            alive.append(model.alive_probability(theta, given.x, given.recency, given.age))
            future.append(alive[-1] * self.future[i][place])
        worth = self.order_values(part, slopes=slopes)
        rows = [(up - down) / (2 * STEP) * worth[0] for up, down in zip(future[1::2], future[2::2], strict=True)]
        rows += [(up - down) / (2 * STEP) * future[0] for up, down in zip(worth[1::2], worth[2::2], strict=True)]
        stacked = np.stack(rows) if rows else np.empty((0, len(alive[0])))
        return Expectations(alive[0], future[0], worth[0], stacked, self.free_cov)

    def order_values(self, part: slice, *, slopes: bool) -> list[Floats]:
        """Expected margin of an order, at the estimates and at each step away from them."""
        if not self.modelled:
            return [self.own_values(part)]
        value = self.spend.expectation(self.x[part], self.z[part])
        points = self._points(self.spend.free) if slopes else [self.spend.free]
        return [self.margin_rate * value(point) for point in points]

    def _points(self, free: Floats) -> list[Floats]:
        """The estimates, then a step up and one down in each parameter."""
        steps = STEP * np.eye(len(free))
        return [free, *(free + sign * step for step in steps for sign in (1, -1))]

    def _histories(self, part: slice | NDArray[np.int64]) -> Histories:
        rows = Rows((), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        covariates = self.rate_values[part], self.dropout_values[part]
        return Histories(self.x[part], self.recency[part], self.age[part], *covariates, rows)
