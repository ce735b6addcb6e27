r"""NBD-Dirichlet: how often households buy a category, and which of its brands.

Category purchases of a household in a period are negative binomial with mean M and shape K; its
probabilities of the brands are Dirichlet(:math:`\alpha_1, \dots, \alpha_g`) over households, with
:math:`S = \sum_j \alpha_j` and market shares :math:`\alpha_j / S`. A large S means that households are alike and
switch, S near 0 that each is loyal. Given n category purchases, those of brand j are beta-binomial:

.. math:: P(x_j = 0 \mid n) = \frac{B(\alpha_j, S - \alpha_j + n)}{B(\alpha_j, S - \alpha_j)}.

Everything a market shows (penetration, purchases a buyer, repeat, loyalty, duplication) follows from M, K, S
and the shares, of which a small brand has less on all counts: **double jeopardy**. No brand is stronger than its size.

References
----------
Goodhardt, G. J., Ehrenberg, A. S. C., & Chatfield, C. (1984), The Dirichlet: a comprehensive model of buying
    behaviour, Journal of the Royal Statistical Society A 147, 621-655.
Ehrenberg, A. S. C. (1988), Repeat-Buying, 2nd ed., Griffin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.likelihood import LikelihoodModel, LikelihoodResults, distinct_rows
from crmlib.models.counts import Counts

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_TAIL = 1e-12
_LONGEST = 200_000


@dataclass(frozen=True, eq=False)
class DirichletMarket:
    """A market by its parameters, and what they imply.

    Attributes
    ----------
    M : float
        Category purchases of a household in a period, those without any counted.
    K : float
        Shape of their distribution: the smaller, the more households differ.
    S : float
        Sum of the brands' Dirichlet parameters.
    shares : pandas.Series
        Market share of each brand (0-1), in the order and by the names given. They may leave out small brands: the
        rest up to 1 is one more brand that is not shown.
    """

    M: float
    K: float
    S: float
    shares: pd.Series

    def __post_init__(self) -> None:
        for name in ("M", "K", "S"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ParameterError(f"{name} is {getattr(self, name)}; give a number above 0")
        if not (len(self.shares) and (self.shares > 0).all() and self.shares.sum() <= 1 + 1e-9):
            raise ParameterError("market shares must be above 0 and add up to at most 1")

    def category_penetration(self, periods: float = 1.0) -> float:
        """Share of households that buy the category at all in so many periods."""
        return float(-np.expm1(-self.K * np.log1p(self.M * periods / self.K)))

    def brand_measures(self, periods: float = 1.0) -> pd.DataFrame:
        """What each brand should show, given its share alone.

        Parameters
        ----------
        periods : float
            Length of the window, in the periods of M.

        Returns
        -------
        pandas.DataFrame, one row a brand
            brand, market_share, penetration (of all households), purchases_per_buyer, category_purchases_per_buyer (of
            the brand's buyers), category_share (share of category requirements, the ratio of the two), sole_share (of
            its buyers, those who buy no other brand), sole_purchases (of each of these), repeat_share (of its buyers,
            those who buy it again in the following window of equal length).
        """
        import pandas as pd

        n, chance = self._purchases(periods)
        mean, twice = self.M * periods, self._purchases(2 * periods)
        rows = []
        for brand, share in self.shares.items():
            none = self._none(share, n)
            bought = float(chance @ (1 - none))
            again = 2 - float(twice[1] @ (1 - self._none(share, twice[0]))) / bought
            only = chance * self._only(share, n)
            sole = float(only[1:].sum())
            total = float((chance * n) @ (1 - none)) / bought
            own = mean * share / bought
            loyal = float(only @ n) / sole
            rows.append((brand, share, bought, own, total, own / total, sole / bought, loyal, again))
        names = ["brand", "market_share", "penetration", "purchases_per_buyer", "category_purchases_per_buyer"]
        return pd.DataFrame(rows, columns=[*names, "category_share", "sole_share", "sole_purchases", "repeat_share"])

    def duplication(self, periods: float = 1.0) -> pd.DataFrame:
        """Share of each brand's buyers (rows) who also buy each other brand (columns); 1 on the diagonal."""
        import pandas as pd

        n, chance = self._purchases(periods)

        def penetration(share: float) -> float:
            return float(chance @ (1 - self._none(share, n)))

        names = list(self.shares.index)
        own = {name: penetration(self.shares[name]) for name in names}
        table = pd.DataFrame(1.0, index=pd.Index(names, name="buyers of"), columns=pd.Index(names, name="also buy"))
        for i, first in enumerate(names):
            for second in names[:i]:  # two brands together are one of the sum of their shares
                both = own[first] + own[second] - penetration(self.shares[first] + self.shares[second])
                table.loc[first, second], table.loc[second, first] = both / own[first], both / own[second]
        return table

    def penetration_given(self, share: float, purchases: ArrayLike) -> Floats:
        """Probability to buy a brand of this share at least once in so many category purchases."""
        return 1 - self._none(share, np.asarray(purchases, dtype=float))

    def _purchases(self, periods: float) -> tuple[Floats, Floats]:
        """Numbers of category purchases, and their probabilities, up to a negligible tail."""
        from scipy.stats import nbinom

        if not (np.isfinite(periods) and periods > 0):
            raise ParameterError(f"periods is {periods}; give a number above 0")
        law = nbinom(self.K, self.K / (self.K + self.M * periods))
        last = law.isf(_TAIL)
        if last > _LONGEST:
            raise ParameterError(f"{periods:g} periods mean up to {last:,.0f} purchases; take a shorter window")
        n = np.arange(last + 1)
        return n, law.pmf(n)

    def _none(self, share: float, n: Floats) -> Floats:
        from scipy.special import betaln

        if share >= 1 - 1e-12:
            return np.where(n > 0, 0.0, 1.0)
        a, rest = self.S * share, self.S * (1 - share)
        return np.asarray(np.exp(betaln(a, rest + n) - betaln(a, rest)))

    def _only(self, share: float, n: Floats) -> Floats:
        return self._none(1 - share, n) if share < 1 - 1e-12 else np.ones_like(n)


def dirichlet_from_measures(
    category_penetration: float, purchases_per_buyer: float, brands: pd.DataFrame
) -> DirichletMarket:
    r"""Array: the market whose summary figures these are, as printed in a report.

    M = penetration × purchases a buyer; K from the share without a purchase, :math:`1 - B = (1 + M/K)^{-K}`;
    S from each brand's penetration, averaged with the market shares as weights.

    Parameters
    ----------
    category_penetration : float
        Share of households that bought the category in the period, between 0 and 1.
    purchases_per_buyer : float
        Category purchases of each of them, above 1.
    brands : pandas.DataFrame
        brand, market_share (of purchases), penetration (of all households).

    Returns
    -------
    DirichletMarket

    Raises
    ------
    DataError
        Figures that no such market has; the message names them.

    References
    ----------
    Goodhardt, Ehrenberg & Chatfield (1984), section 3.
    """
    from scipy.optimize import brentq

    if not 0 < category_penetration < 1 or not purchases_per_buyer > 1:
        raise DataError(
            f"category penetration {category_penetration} and {purchases_per_buyer} purchases a buyer; "
            "give a share between 0 and 1, and more than 1 purchase"
        )
    mean = category_penetration * purchases_per_buyer
    empty = -np.log1p(-category_penetration)
    if not empty < mean:
        raise DataError("more households buy nothing than chance allows at that mean: K would be infinite")
    shape = brentq(lambda log_k: np.exp(log_k) * np.log1p(mean / np.exp(log_k)) - empty, -30, 30, xtol=1e-13)
    shares = brands.set_index("brand")["market_share"].astype(float)
    found, odd = {}, []
    for brand, share, bought in brands[["brand", "market_share", "penetration"]].itertuples(index=False):

        def gap(log_s: float, share: float = share, bought: float = bought) -> float:
            market = DirichletMarket(mean, float(np.exp(shape)), float(np.exp(log_s)), shares)
            n, chance = market._purchases(1.0)
            return float(chance @ (1 - market._none(share, n))) - bought

        if gap(-15) < 0 < gap(15):
            found[brand] = (share, float(np.exp(brentq(gap, -15, 15, xtol=1e-12))))
        else:
            odd.append(str(brand))
    if not found:
        raise DataError(f"no S gives the penetrations of {', '.join(odd)}; check shares and penetrations")
    weight, each = np.array(list(found.values())).T
    return DirichletMarket(mean, float(np.exp(shape)), float(weight @ each / weight.sum()), shares)


class Dirichlet(LikelihoodModel):
    r"""NBD-Dirichlet by maximum likelihood, from each household's purchases of each brand.

    The likelihood is that of the category count, negative binomial, times that of its split into brands,
    :math:`\frac{\Gamma(S)}{\Gamma(S + n)} \prod_j \frac{\Gamma(\alpha_j + x_j)}{\Gamma(\alpha_j)}` up to a constant.

    Parameters
    ----------
    purchases : frame or array of whole numbers, shape (households, brands)
        Purchases of each brand; frame columns name the brands. All brands of the category: put small ones together.
    weights : array-like, shape (households,), optional
        How many households each row stands for.
    buyers_only : bool
        Whether households without a purchase are missing from the data, as in most published panels; then the
        category count is truncated at 0, and M and K are those of the population that it was cut from.

    Raises
    ------
    DataError
        Numbers that are negative or not whole, a brand without a purchase, fewer than two brands, nobody with two
        purchases, or rows without purchases though `buyers_only`.
    """

    def __init__(self, purchases: Any, *, weights: ArrayLike | None = None, buyers_only: bool = False) -> None:
        x = np.asarray(purchases, dtype=float)
        if x.ndim != 2 or x.shape[1] < 2:
            raise DataError(
                f"purchases have shape {x.shape}; give a row a household and a column for each of 2+ brands"
            )
        if not (np.all(np.isfinite(x)) and np.all(x >= 0) and np.all(x == np.floor(x))):
            raise DataError("purchases must be whole numbers of at least 0; count occasions, not money")
        columns = getattr(purchases, "columns", None)
        self.brands = tuple(columns) if columns is not None else tuple(f"brand {j + 1}" for j in range(x.shape[1]))
        if silent := [str(brand) for brand, bought in zip(self.brands, x.sum(axis=0), strict=True) if not bought]:
            raise DataError(f"nobody bought {', '.join(silent)}; leave such brands out")
        if buyers_only and np.any(x.sum(axis=1) == 0):
            raise DataError("some households have no purchase; leave them out, or set buyers_only to False")
        rows = distinct_rows(*x.T, weights=weights)
        self.weights, self.buyers_only = rows.weights, buyers_only
        total = np.sum(rows.columns, axis=0)
        if not np.any(total[rows.weights > 0] > 1):
            raise DataError("nobody bought twice, so switching cannot be seen; take a longer period")
        self.total, self.each = Counts(total), [Counts(column) for column in rows.columns]

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """M, K, then one parameter a brand."""
        return ("M", "K", *(f"alpha: {brand}" for brand in self.brands))

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        from scipy.special import gammaln

        m, k = theta["M"], theta["K"]
        alphas = [theta[name] for name in self.names[2:]]
        n, s = self.total.values, sum(alphas)
        stay = np.log1p(m / k)  # minus the logarithm of K / (K + M)
        value = self.total.log_rising(k) - gammaln(n + 1) - k * stay - n * np.log1p(k / m)
        by_m = n - m * (k + n) / (k + m)
        by_k = k * (self.total.digamma_rise(k) - stay + 1 - (k + n) / (k + m))
        if self.buyers_only:
            some = -np.expm1(-k * stay)
            odds = (1 - some) / some
            value = value - np.log(some)
            by_m = by_m - odds * k * m / (k + m)
            by_k = by_k - odds * k * (stay - m / (k + m))
        value = value - self.total.log_rising(s) + sum(c.log_rising(a) for c, a in zip(self.each, alphas, strict=True))
        rise = self.total.digamma_rise(s)
        slopes = {"M": by_m, "K": by_k}
        for name, count, alpha in zip(self.names[2:], self.each, alphas, strict=True):
            slopes[name] = alpha * (count.digamma_rise(alpha) - rise)
        return value, slopes

    def _starts(self) -> Iterator[Sequence[float]]:
        n, w = self.total.values, self.weights
        mean = float(w @ n / w.sum())
        excess = float(w @ (n - mean) ** 2 / w.sum()) - mean
        shape = mean**2 / excess if excess > 0.01 * mean else 20.0
        shares = np.array([float(w @ count.values) for count in self.each]) / float(w @ n)
        for s in (1.0, 0.3, 5.0):
            yield [mean * (0.7 if self.buyers_only else 1.0), shape, *(s * shares)]

    def _remedy(self) -> str:
        return "take more households, put small brands together, or a longer period"

    def _results(self, free: Floats, information: Floats) -> DirichletResults:
        return DirichletResults(self, free, information)


class DirichletResults(LikelihoodResults):
    """Fitted NBD-Dirichlet: `params` are M, K and the brands' alphas."""

    model: Dirichlet

    @property
    def market(self) -> DirichletMarket:
        """The market at the estimates."""
        import pandas as pd

        m, k, *alphas = self.model.natural(self.free)
        total = float(np.sum(alphas))
        if not np.isfinite(total):
            raise ConvergenceError("S is infinite: households do not differ in their brands")
        return DirichletMarket(float(m), float(k), total, pd.Series(np.array(alphas) / total, list(self.model.brands)))

    def switching_interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """S with its interval, (estimate, low, high): delta method on the log scale."""
        from scipy.stats import norm

        from crmlib.intervals import require_level

        require_level(level)
        alphas = self.model.natural(self.free)[2:]
        slope = np.concatenate([[0.0, 0.0], alphas / alphas.sum()])  # of log S by the logarithms
        half = norm.ppf(0.5 + level / 2) * np.sqrt(slope @ self.free_cov @ slope)
        return float(alphas.sum()), float(alphas.sum() * np.exp(-half)), float(alphas.sum() * np.exp(half))
