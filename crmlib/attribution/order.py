r"""The order of a Markov chain, chosen by how well it predicts journeys that it has not seen.

From a state :math:`s` (the last up to k channels) a journey goes on to one of C channels, converts or is
lost; from the start, to one of C channels. With :math:`n_{sa}` of the :math:`n_s` training journeys in s
taking the step a, out of :math:`A_s` possible ones, a held-out step has the probability
:math:`(n_{sa} + 1/2) / (n_s + A_s / 2)`. A journey's score is the sum of the logarithms over all its
steps, the outcome among them, so that every order is scored on the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crmlib.attribution.chain import Chain, sums
from crmlib.attribution.paths import Paths
from crmlib.attribution.positional import Allocation, Rule, scaled
from crmlib.attribution.reading import read
from crmlib.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd


def order_choice(
    touches: Any, outcomes: Any, *, orders: Sequence[int] = (1, 2, 3, 4), folds: int = 5, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: how well chains of several orders predict journeys that they have not seen.

    Whole journeys are held out, with their outcome: all of a customer's in one fold where outcomes
    name every customer, else each of a row's journeys by lot. Every order is scored on the same
    journeys. Steps are smoothed by adding one half to each possible one.

    Parameters
    ----------
    touches, outcomes
        As in `credits`.
    orders : sequence of int
        Orders to try, each from 1 on.
    folds : int
        Number of folds, at least 2.
    rng : numpy.random.Generator
        Draws who is in which fold.

    Returns
    -------
    pandas.DataFrame, one row an order, in their order
        order, states (count), log_likelihood (held-out, of all journeys, in nats), per_journey, behind
        (nats per journey less than the best order), standard_error (of `behind`, over journeys), chosen
        (the largest likelihood; of equal ones the lowest order).

    Raises
    ------
    ParameterError
        Orders or folds that are too few or no whole numbers.
    DataError
        No journey that ended, or counts that are no whole numbers.

    References
    ----------
    Stone, M. (1974), Cross-validatory choice and assessment of statistical predictions, JRSS B 36,
    111-147. Krichevsky, R., & Trofimov, V. (1981), The performance of universal encoding, IEEE
    Transactions on Information Theory 27, 199-207 (the added half).
    """
    import pandas as pd

    tried = sorted(set(orders))
    if not tried:
        raise ParameterError("orders is empty; give at least one, such as (1, 2, 3)")
    for order in tried:
        require_order(order)
    _require_folds(folds)
    split = folded(read(touches, outcomes, customers=True), folds, rng).distinct()[0]
    evidence = Evidence.of(split, tried, folds)
    made = split.journeys
    scores = np.stack([evidence.scores(place, made[:, None])[:, 0] for place in range(len(tried))])
    table = pd.DataFrame({"order": tried, "states": [len(chain.states) for chain in evidence.chains]})
    table["log_likelihood"] = scores @ made
    table["per_journey"] = table["log_likelihood"] / made.sum()
    best = int(table["log_likelihood"].argmax())
    table["behind"] = table["per_journey"].iloc[best] - table["per_journey"]
    spread = (scores[best] - scores - table["behind"].to_numpy()[:, None]) ** 2 @ made
    table["standard_error"] = np.sqrt(spread) / made.sum()
    return table.assign(chosen=np.arange(len(tried)) == best)


@dataclass(frozen=True, slots=True)
class SelectedMarkov(Rule):
    """Markov removal effects at the order that predicts held-out journeys best."""

    most: int = 4
    folds: int = 5
    name: ClassVar[str] = "selected_markov"
    smooth: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_order(self.most, "most")
        _require_folds(self.folds)

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """Losses by removal at the chosen order; chosen for every weighting where paths are split into folds."""
        orders = range(1, self.most + 1)
        if paths.part is not None:
            return Evidence.of(paths, orders, self.folds)
        if rng is None:
            raise ParameterError("the order is chosen on folds that are drawn by lot: give rng")
        split = folded(paths, self.folds, rng).distinct()[0]
        order = int(Evidence.of(split, orders, self.folds).chosen(split.journeys[:, None])[0]) + 1
        chain = Chain.of(paths, order)
        return lambda amount, journeys: scaled(chain.losses(amount, journeys), amount)

    def parts(self) -> int:
        """The folds on which the order is chosen."""
        return self.folds

    def __str__(self) -> str:
        return "Markov of the selected order"


@dataclass(frozen=True)
class Evidence:
    """Chains of several orders through journeys that are split into folds, each row ending in one way."""

    paths: Paths
    chains: list[Chain]
    folds: int

    @classmethod
    def of(cls, paths: Paths, orders: Sequence[int], folds: int) -> Evidence:
        """Chains of these orders."""
        return cls(paths, [Chain.of(paths, order) for order in orders], folds)

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Rows of each fold."""
        assert self.paths.part is not None
        return [np.flatnonzero(self.paths.part // 2 == fold) for fold in range(self.folds)]

    def scores(self, place: int, journeys: np.ndarray) -> np.ndarray:
        """Held-out log-likelihood (rows, b) of one journey of each row, by the chain at this place.

        Parameters
        ----------
        journeys : array (rows, b)
            How often each was made.
        """
        assert self.paths.part is not None
        chain, won = self.chains[place], np.asarray(self.paths.part % 2 == 1)
        totals = _counts(chain, won, journeys, slice(None))
        found = np.empty(journeys.shape)
        for rows in self.rows:
            own = _counts(chain, won, journeys, rows)
            steps, converted, lost = (all_ - held for all_, held in zip(totals, own, strict=True))
            left = np.log(_added(chain.target, len(chain.states), steps) + (chain.channels + 2) / 2)
            begun = np.log(steps[chain.source < 0].sum(axis=0) + chain.channels / 2)
            leaving = np.where(chain.source[:, None] < 0, begun, left[chain.source])
            step = np.log(steps + 0.5) - leaving
            last = chain.last[rows]
            ends = np.where(won[rows][:, None], np.log(converted + 0.5)[last], np.log(lost + 0.5)[last])
            found[rows] = chain.steps[rows] @ step + ends - left[last]
        return found

    def chosen(self, journeys: np.ndarray) -> np.ndarray:
        """Place of the best order for each column of weights; of equal ones the first."""
        score = [(self.scores(place, journeys) * journeys).sum(axis=0) for place in range(len(self.chains))]
        return np.argmax(score, axis=0)

    def __call__(self, amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
        """Credits (channels, b), each column at its own best order."""
        chosen = np.broadcast_to(self.chosen(journeys), amount.shape[1])
        credit = np.empty((self.chains[0].channels, amount.shape[1]))
        for place in np.unique(chosen):
            mine = chosen == place
            weights = journeys if journeys.shape[1] == 1 else journeys[:, mine]
            credit[:, mine] = scaled(self.chains[place].losses(amount[:, mine], weights), amount[:, mine])
        return credit


def folded(paths: Paths, folds: int, rng: np.random.Generator) -> Paths:
    """Journeys split into rows of one outcome and one fold each; those that have not ended are left out.

    Raises
    ------
    DataError
        Counts that are no whole numbers, or none at all.
    """
    counts = np.stack([paths.nulls, paths.conversions], axis=1)
    if (counts != np.round(counts)).any():
        raise DataError("conversions and nulls must be whole numbers to be split into folds")
    if not counts.sum():
        raise DataError("there are no journeys to hold out: conversions and nulls are all 0")
    size = len(counts)
    if paths.customers is None:
        number = rng.multinomial(counts.astype(np.int64), np.full(folds, 1 / folds))  # row, outcome, fold
    else:
        _, customer = np.unique(paths.customers, return_inverse=True)
        fold = (rng.permutation(int(customer.max()) + 1) % folds)[customer]
        number = np.zeros((size, 2, folds), dtype=np.int64)
        number[np.arange(size), :, fold] = counts
    row, won, fold = np.nonzero(number)
    many = number[row, won, fold].astype(float)
    kept = paths.take(row)
    carriers = np.where(paths.conversions > 0, paths.conversions, paths.nulls)[row]  # whose journeys hold the value
    holds = (won == 1) | (paths.conversions[row] == 0)
    return Paths(
        kept.channels,
        kept.codes,
        kept.starts,
        conversions=np.where(won == 1, many, 0.0),
        nulls=np.where(won == 0, many, 0.0),
        value=np.where(holds, kept.value * many / carriers, 0.0),
        age=kept.age,
        customers=kept.customers,
        part=2 * fold + won,
    )


def require_order(order: Any, name: str = "order") -> None:
    """Refuse an order that is no whole number from 1 on.

    Raises
    ------
    ParameterError
    """
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 1:
        raise ParameterError(f"{name} is {order!r}; give a whole number from 1 on")


def _require_folds(folds: Any) -> None:
    if isinstance(folds, bool) or not isinstance(folds, (int, np.integer)) or folds < 2:
        raise ParameterError(f"folds is {folds!r}; give a whole number from 2 on, such as 5")


def _counts(chain: Chain, won: np.ndarray, journeys: np.ndarray, rows: Any) -> tuple[np.ndarray, ...]:
    """Transitions, and conversions and losses by last state, of the journeys in some rows."""
    made, last, size = journeys[rows], chain.last[rows], len(chain.states)
    converted = np.where(won[rows][:, None], made, 0.0)
    return chain.steps[rows].T @ made, _added(last, size, converted), _added(last, size, made - converted)


def _added(group: np.ndarray, groups: int, amount: np.ndarray) -> np.ndarray:
    """Rows added up by group."""
    return sums(group, groups) @ amount
