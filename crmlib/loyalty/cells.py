"""The panel's sufficient statistics: size, means and covariance of each joining cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmlib.errors import DataError
from crmlib.frames import to_pandas, wrap

#: Joining period of those who never joined within the panel.
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Cells:
    """What is kept of the panel: each cohort's size, mean vector and covariance over the periods.

    A contrast is an array of shape (cohorts, periods), the weight of each cell mean; the controls are the
    last cohort. Every estimate is one, so its variance is Σ_g w_g' S_g w_g / n_g.
    """

    cohorts: tuple[int, ...]
    sizes: Mapping[int, int]
    means: np.ndarray
    covariances: np.ndarray
    control_kind: str
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, panel: Any, outcome: str) -> Cells:
        """Cells of a panel; who cannot be used is left out and counted, see `programme_effect`."""
        sample = Sample.of(panel, (outcome,))
        (values,), joined = sample.values, sample.joined
        periods = values.shape[1]
        cohorts = tuple(int(cohort) for cohort in np.unique(joined))
        groups = [values[joined == cohort] for cohort in cohorts]
        return cls(
            cohorts,
            {cohort: len(group) for cohort, group in zip(cohorts, groups, strict=True)},
            np.array([group.mean(axis=0) for group in groups]),
            np.array([np.cov(group, rowvar=False, ddof=1).reshape(periods, periods) for group in groups]),
            sample.control_kind,
            sample.left_out,
        )

    @property
    def periods(self) -> int:
        """Number of periods."""
        return self.means.shape[1]

    def event_times(self, horizon: int | None) -> list[tuple[int, int]]:
        """Cohort and event time of every effect, the reference and the joining period left out."""
        last = horizon or self.periods
        pairs = [(g, t - g) for g in self.cohorts[:-1] for t in range(self.periods) if t - g not in (-1, 0)]
        return [(cohort, time) for cohort, time in pairs if time <= last]

    def difference(self, cohort: int, time: int) -> np.ndarray:
        """Contrast: the cohort's mean minus the controls' at one event time."""
        weights = np.zeros(self.means.shape)
        weights[self.cohorts.index(cohort), cohort + time], weights[-1, cohort + time] = 1, -1
        return weights

    def effect(self, cohort: int, time: int) -> np.ndarray:
        """Contrast: that difference minus the one in the period before joining."""
        return self.difference(cohort, time) - self.difference(cohort, -1)

    def change(self, cohort: int, time: int) -> np.ndarray:
        """Contrast: the cohort at one event time minus its mean over the periods before joining."""
        weights, row = np.zeros(self.means.shape), self.cohorts.index(cohort)
        weights[row, cohort + time] = 1
        weights[row, :cohort] -= 1 / cohort
        return weights

    def two_way(self, after: Iterable[tuple[int, int]]) -> np.ndarray:
        """Contrast of the coefficient of "has joined" beside customer and period effects.

        Customers of a cohort share their regressors, so the regression is that of cell means on cohort and
        period effects, weighted by size. By Frisch and Waugh the coefficient weighs each cell by what
        those effects leave of the regressor. Joining periods, and those past the horizon, are left out.
        """
        shape = self.means.shape
        joined = np.zeros(shape)
        for cohort, time in after:
            joined[self.cohorts.index(cohort), cohort + time] = 1
        seen = np.ones(shape, dtype=bool)
        for place, cohort in enumerate(self.cohorts[:-1]):
            seen[place, cohort:] = joined[place, cohort:] > 0
        row, column = np.nonzero(seen)
        effects = np.hstack([np.eye(shape[0])[row], np.eye(shape[1])[column]])
        size = np.array([self.sizes[cohort] for cohort in self.cohorts], dtype=float)[row]
        root = np.sqrt(size)[:, None]
        fitted = effects @ np.linalg.lstsq(root * effects, root[:, 0] * joined[seen], rcond=None)[0]
        rest = size * (joined[seen] - fitted)
        weights = np.zeros(shape)
        weights[seen] = rest / (rest @ joined[seen])
        return weights

    def covariance(self, contrasts: list[np.ndarray]) -> np.ndarray:
        """Covariance matrix of contrasts, clustered by customer."""
        stacked = np.array(contrasts)
        size = np.array([self.sizes[cohort] for cohort in self.cohorts], dtype=float)
        return np.einsum("agt,gts,bgs->ab", stacked, self.covariances / size[:, None, None], stacked, optimize=True)

    def estimate(self, contrasts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Values and standard errors of contrasts."""
        stacked = np.array(contrasts)
        size = np.array([self.sizes[cohort] for cohort in self.cohorts], dtype=float)
        spread = np.einsum("agt,gts,ags->ag", stacked, self.covariances, stacked, optimize=True)
        return np.einsum("agt,gt->a", stacked, self.means), np.sqrt(np.maximum(spread @ (1 / size), 0))


@dataclass(frozen=True, eq=False)
class Sample:
    """The customers of a panel who can be compared, in the order of their ids.

    Values have the shape (outcomes, customers, periods); joined is the period of joining, `NEVER` for controls.
    """

    values: np.ndarray
    joined: np.ndarray
    customer_id: np.ndarray
    control_kind: str
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, panel: Any, outcomes: tuple[str, ...]) -> Sample:
        """Sample of a panel; who cannot be used is left out and counted, see `programme_effect`."""
        values, joined, ids = _matrix(panel, outcomes)
        members = joined < values.shape[2]
        if not members.any():
            raise DataError("nobody joined the programme within the panel; there is no effect to measure")
        joined = np.where(members, joined, NEVER)
        left_out = {}
        kind = "never"
        if (~members).sum() < 2:
            kind = "last joiners"
            last = joined[members].max()
            if (joined[members] == last).all():
                raise DataError(
                    "everybody joined in the same period, so there is nobody to compare with; "
                    "take a panel with customers who never joined or who joined at other times"
                )
            left_out["a lone non-member"] = int((~members).sum())
            values, joined, ids = values[:, members, :last], joined[members], ids[members]
            joined = np.where(joined == last, NEVER, joined)
        counts = dict(zip(*np.unique(joined, return_counts=True), strict=True))
        single = {cohort for cohort, count in counts.items() if count < 2}
        early, late = joined < 1, (joined >= values.shape[2] - 1) & (joined != NEVER)
        lone = np.isin(joined, list(single)) & ~early & ~late
        left_out["joined in the first period or before"] = int(early.sum())
        left_out["joined too late to be seen after"] = int(late.sum())
        left_out["the only one of their period"] = int(lone.sum())
        used = ~(early | late | lone)
        if NEVER not in joined[used] or len(np.unique(joined[used])) < 2:
            raise DataError(
                "no member can be compared with others before and after joining; a panel needs at least two "
                "members who joined in one period, a period before and one after it, and two controls"
            )
        kept = {reason: count for reason, count in left_out.items() if count}
        return cls(values[:, used], joined[used], ids[used], kind, kept)


def _matrix(panel: Any, outcomes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each outcome by customer and period, when each customer joined (or a huge number), and their ids."""
    view = wrap(panel, tuple(dict.fromkeys(("customer_id", "period", "joined", *outcomes))), table="the panel")
    table = to_pandas(view.to_native(), sort_by=["customer_id", "period"])
    if table.empty:
        raise DataError("the panel has no customers; take those won before it starts, or an earlier start")
    periods = int(table["period"].nunique())
    if len(table) % periods or not (table["period"].to_numpy().reshape(-1, periods) == np.arange(periods)).all():
        raise DataError(f"the panel is not balanced: every customer needs one row in each of its {periods} periods")
    values = np.stack([table[outcome].to_numpy(dtype=float).reshape(-1, periods) for outcome in outcomes])
    for outcome, each in zip(outcomes, values, strict=True):
        if not np.all(np.isfinite(each)):
            raise DataError(f"{outcome} is missing or infinite in the panel; give 0 where nothing was bought")
    joined = table["joined"].to_numpy(dtype=float, na_value=np.nan).reshape(-1, periods)
    if not np.array_equal(joined, np.repeat(joined[:, :1], periods, axis=1), equal_nan=True):
        raise DataError("joined differs between the rows of one customer; a customer joins once")
    first = joined[:, 0]
    ids = table["customer_id"].to_numpy()[::periods]
    return values, np.where(np.isnan(first), NEVER, np.nan_to_num(first).astype(np.int64)), ids
