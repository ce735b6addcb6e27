"""Controls nearest to each member, and what they say of the member's outcome: see `crmlib.loyalty.matching`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crmlib.loyalty.joiners import Cohort


def matched_effect(cohorts: list[Cohort], neighbours: int) -> tuple[float, float, list[np.ndarray]]:
    """Effect, its standard error, and the weights of the controls in each cohort; see `weighted_effect`."""
    effect, treated, weights = 0.0, 0.0, []
    reused, spent = np.zeros(len(cohorts[0].y_controls)), np.zeros(len(cohorts[0].y_controls))
    for cohort in cohorts:
        members, near = len(cohort.y_members), _Neighbours.of(cohort)
        links = near.links(near.members, neighbours)
        expected = links @ near.mean_outcome
        used = np.asarray(links.sum(axis=0)).ravel()
        expected += (near.members - links @ near.points) @ near.slope(used)
        gain = cohort.y_members - expected
        effect += cohort.share * gain.mean()
        treated += (cohort.share / members) ** 2 * np.sum((gain - gain.mean()) ** 2)
        each = used / near.count
        # Of a control's uses only what links it to several members adds to the members' own variance.
        squared = np.asarray(links.power(2).sum(axis=0)).ravel() / near.count**2
        noise = near.noise(cohort.y_controls, neighbours)
        factor = cohort.share / members
        reused += factor * each[near.place] * noise
        spent += factor**2 * squared[near.place] * noise**2
        weights.append(each[near.place] / members)
    variance = treated + np.sum(np.maximum(reused**2 - spent, 0))
    return float(effect), float(np.sqrt(variance)), weights


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Controls grouped by equal covariates, and who is near them, by Mahalanobis distance."""

    members: np.ndarray
    points: np.ndarray
    place: np.ndarray
    count: np.ndarray
    mean_outcome: np.ndarray

    @classmethod
    def of(cls, cohort: Cohort) -> _Neighbours:
        both = np.vstack([cohort.x_members, cohort.x_controls])
        # Singular where covariates are constant or repeat one another: the pseudo-inverse leaves those out.
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(both, rowvar=False)))
        real = values > 1e-10 * max(values.max(), 1e-300)
        # Rounded, so that customers with equal covariates fall together whatever the order of sums.
        scaled = np.round((both - both.mean(axis=0)) @ (vectors[:, real] / np.sqrt(values[real])), 9)
        scaled = scaled if real.any() else np.zeros((len(both), 1))
        members, others = np.split(scaled, [len(cohort.x_members)])
        points, place, count = np.unique(others, axis=0, return_inverse=True, return_counts=True)
        place = place.ravel()
        return cls(members, points, place, count, np.bincount(place, cohort.y_controls) / count)

    def links(self, rows: np.ndarray, neighbours: int) -> Any:
        """Sparse matrix (rows, points) of weights that sum to 1: the nearest points that hold so many controls."""
        from scipy.sparse import csr_matrix
        from scipy.spatial import KDTree

        nearest = min(neighbours, len(self.points))
        _, found = KDTree(self.points).query(rows, k=np.arange(1, nearest + 1))
        held = self.count[found]
        before = held.cumsum(axis=1) - held
        taken = np.where(before < neighbours, held, 0).astype(float)
        taken /= taken.sum(axis=1, keepdims=True)
        ends = np.arange(len(rows) + 1) * nearest
        return csr_matrix((taken.ravel(), found.ravel(), ends), shape=(len(rows), len(self.points)))

    def slope(self, used: np.ndarray) -> np.ndarray:
        """Slopes of the outcome in the covariates, over the controls as they are used."""
        root = np.sqrt(used / used.sum())
        design = np.column_stack([np.ones(len(self.points)), self.points]) * root[:, None]
        return np.linalg.lstsq(design, self.mean_outcome * root)[0][1:]

    def noise(self, outcome: np.ndarray, neighbours: int) -> np.ndarray:
        """Each control's deviation from the controls near it, itself left out, scaled to the noise's variance."""
        links = self.links(self.points, neighbours + 1)
        near = links @ self.mean_outcome
        own = np.asarray(links[np.arange(len(self.points)), np.arange(len(self.points))]).ravel() / self.count
        # own is 1 / (number near, itself included); without itself the mean moves by own / (1 − own)
        part = own[self.place]
        rest = (near[self.place] - part * outcome) / np.maximum(1 - part, 1e-12)
        return np.where(part < 1, np.sqrt(1 - part) * (outcome - rest), 0.0)
