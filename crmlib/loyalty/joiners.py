"""Each cohort that joined the programme beside those who never did: what was seen before, and the outcome after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.loyalty.cells import NEVER, Sample
from crmlib.loyalty.covariates import attribute_columns


@dataclass(frozen=True, eq=False)
class Cohort:
    """One joining cohort against the controls: covariates before it joined, mean outcome after."""

    share: float
    x_members: np.ndarray
    x_controls: np.ndarray
    y_members: np.ndarray
    y_controls: np.ndarray
    rows: np.ndarray


def joining_cohorts(
    panel: Any, attributes: Any, outcome: str, behaviour: tuple[str, ...], horizon: int | None
) -> tuple[list[Cohort], int, list[str]]:
    """Each cohort beside the controls, the number of customers compared, and the covariates' names."""
    if not behaviour:
        raise ParameterError("behaviour names no column; give at least one, such as ('orders',)")
    sample = Sample.of(panel, (outcome, *behaviour))
    (values, *before), joined = sample.values, sample.joined
    fixed, more = attribute_columns(attributes, sample.customer_id)
    periods, controls = values.shape[1], np.flatnonzero(joined == NEVER)
    made, weights = [], []
    for cohort in sorted(set(joined.tolist()) - {NEVER}):
        after = slice(cohort + 1, min(periods, cohort + horizon + 1) if horizon else periods)
        x = np.column_stack([*(np.arcsinh(each[:, :cohort].mean(axis=1)) for each in before), fixed])
        y, own = values[:, after].mean(axis=1), np.flatnonzero(joined == cohort)
        weights.append(len(own) * (after.stop - after.start))
        made.append((x[own], x[controls], y[own], y[controls], np.concatenate([own, controls])))
    shares = np.array(weights) / sum(weights)
    cohorts = [Cohort(share, *parts) for share, parts in zip(shares, made, strict=True)]
    return cohorts, len(joined), [*behaviour, *more]


def imbalance(cohorts: list[Cohort], weights: list[np.ndarray]) -> np.ndarray:
    """Standardised difference of each covariate, members minus weighted controls."""
    total, spread = 0.0, 0.0
    for cohort, weight in zip(cohorts, weights, strict=True):
        total = total + cohort.share * (cohort.x_members.mean(axis=0) - weight @ cohort.x_controls)
        spread = spread + cohort.share * cohort.x_members.var(axis=0, ddof=1)
    return np.divide(total, np.sqrt(spread), out=np.zeros_like(total), where=spread > 0)
