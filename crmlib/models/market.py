"""A market whose brands differ in size alone, by the parameters of the NBD-Dirichlet: what it should show.

The formulas and their source stand in `crmlib.models.dirichlet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError

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
