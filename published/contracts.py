"""Contractual retention, and customers as a Markov chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import yaml

from crmlib import rfm
from crmlib.models import BetaDiscreteWeibull, ShiftedBetaGeometric
from published.comparison import ENTRIES, computed


def survivors(kind: str, renewals: int) -> list[int]:
    """Survivors of 1,000 customers after 0, 1… renewals."""
    given = yaml.safe_load(ENTRIES.read_text(encoding="utf-8"))["contractual_survivors"]["values"]
    return list(given[kind]["customers"][: renewals + 1])


@computed("contractual_survivors", inputs=("customers",))
def sbg(values: Any) -> Any:
    fits = {kind: ShiftedBetaGeometric.from_survivors(given["customers"]).fit() for kind, given in values.items()}
    return {
        kind: {"params": fit.params.to_dict(), "llf": fit.llf, "year_12": fit.survival(12)}
        for kind, fit in fits.items()
    }


@computed("contractual_residual_value")
def residual_value() -> Any:
    fit = ShiftedBetaGeometric.from_survivors(survivors("regular", 4)).fit()
    rounded = fit.model._results(fit.model.free([0.668, 3.806]), np.eye(2))
    return {
        "params": fit.params.to_dict(),
        "value": {period: 100 * fit.residual_lifetime(0.1, period - 1) for period in (1, 2, 5)},
        "lifetime": {period: rounded.residual_lifetime(0.1, period - 1) for period in (7, 8)},
    }


@computed("bdw_high_end")
def bdw() -> Any:
    return BetaDiscreteWeibull.from_survivors(survivors("high_end", 4)).fit().params.to_dict()


@computed("markov_customer_value", inputs=("purchase_probability", "rewards", "discount"))
def markov(values: Any) -> Any:
    moves = np.diag(1 - np.array([*values["purchase_probability"], 0.0]))
    moves = np.roll(moves, 1, axis=1)
    moves[:, 0] = [*values["purchase_probability"], 0.0]
    moves[4, 4] = 1.0
    terms = values["rewards"], values["discount"]
    finite = rfm.chain_value(moves, terms[0], discount=terms[1], periods=5)
    endless = rfm.chain_value(moves, terms[0], discount=terms[1])
    return {"four_periods": list(finite[:4]), "for_ever": list(endless[:4])}
