r"""Does a reward for referring pay? What it costs for all whom it is paid for, against those who come because of it.

A reward is paid for every customer brought, also for those who would have been brought without one. With
:math:`R_1` and :math:`R_0` the customers brought with and without the reward on offer, w the margin of a customer
brought and c the reward, a customer to whom it is offered earns :math:`(R_1 - R_0)\, w - c\, R_1`. It pays up to
:math:`c^* = w\,(1 - R_0 / R_1)`. :math:`R_0` takes customers who are not offered the reward, by lot; without them it is
an assumption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, require_level
from crmlib.referral.base import ReferralBase, require_days
from crmlib.referral.reproduction import Counts

if TYPE_CHECKING:
    import pandas as pd

#: What rests on the margin of those brought.
_OF_MARGIN = ("margin", "caused_margin", "net", "return", "break_even_reward")


def programme_return(
    base: ReferralBase,
    valued: pd.DataFrame,
    *,
    reward: float,
    days: int,
    arm: str | None = None,
    offered: str = "offered",
    held_out: str = "held out",
    anyway_share: float | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Array: what the reward causes, costs and returns for a customer to whom it is offered.

    Parameters
    ----------
    base : ReferralBase
    valued : pandas.DataFrame
        `valued_customers`: the margin of those brought, in their own first days. What they bring later, and whom they
        bring in turn, comes on top.
    reward : float
        Cost of one customer brought, both sides' rewards and handling, at least 0.
    days : int
        Window of the reproduction number, since the customer's own acquisition.
    arm : str, optional
        Column of the customers that says who was offered the reward, by lot; `offered` and `held_out` are its values.
    anyway_share : float, optional
        Instead, where nobody is held out: share of those brought who would have come without the reward, 0 to 1. It is
        taken as known, so that intervals do not hold its doubt.
    level : float
        Normal intervals; customers who refer, with all whom they bring, are what was sampled.

    Returns
    -------
    pandas.DataFrame, one row a quantity
        quantity, value, standard_error, low, high, of: "brought" (R with the offer), "brought_anyway" (without),
        "caused" (the difference), "caused_share" (of those brought), "margin" (of one brought), "reward_cost" and
        "caused_margin" (per customer with the offer), "net" (their difference), "return" (net over cost; NaN without a
        reward), "break_even_reward". Customers caused are taken to be worth what those brought are on average. What
        rests on their margin has no interval with fewer than 30 of them (low, high NaN).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        An arm without a customer, or nobody brought whose first days are over.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    if not 0 <= reward < np.inf:
        raise ParameterError(f"reward is {reward}; give the cost of one customer brought, 0 or more")
    if (arm is None) == (anyway_share is None):
        raise ParameterError("give either the arm of a randomised offer, or anyway_share as an assumption")
    if anyway_share is not None and not 0 <= anyway_share <= 1:
        raise ParameterError(f"anyway_share is {anyway_share}; give a share between 0 and 1")
    days = require_days(base, days)
    one, none = _arms(base, arm, offered, held_out)
    brought, of_brought = _mean_brought(base, one, days)
    if none is None:
        share = float(anyway_share)  # type: ignore[arg-type]
        anyway, of_anyway = share * brought, share * of_brought
    else:
        anyway, of_anyway = _mean_brought(base, none, days)
    margin, of_margin, number = _margin(base, valued, one)
    few = number < FEWEST
    caused, of_caused = brought - anyway, of_brought - of_anyway
    part = caused / brought
    of_part = (of_caused - part * of_brought) / brought
    gain, of_gain = caused * margin, caused * of_margin + margin * of_caused
    found = {
        "brought": (brought, of_brought),
        "brought_anyway": (anyway, of_anyway),
        "caused": (caused, of_caused),
        "caused_share": (part, of_part),
        "margin": (margin, of_margin),
        "reward_cost": (reward * brought, reward * of_brought),
        "caused_margin": (gain, of_gain),
        "net": (gain - reward * brought, of_gain - reward * of_brought),
    }
    most, of_most = part * margin, part * of_margin + margin * of_part
    found["return"] = (most / reward - 1, of_most / reward) if reward else (np.nan, of_most * np.nan)
    found["break_even_reward"] = (most, of_most)
    reach, rows = norm.ppf(0.5 + level / 2), []
    for name, (value, influence) in found.items():
        error = float(np.sqrt(np.sum(influence**2)))
        bound = np.nan if few and name in _OF_MARGIN else reach * error
        rows.append((name, float(value), error, value - bound, value + bound))
    return pd.DataFrame(rows, columns=["quantity", "value", "standard_error", "low", "high"])


def net_by_reward(returns: pd.DataFrame, *, points: int = 60) -> pd.DataFrame:
    """Array: what the programme earns by the reward, and what it would earn if every customer brought were caused.

    Parameters
    ----------
    returns : pandas.DataFrame
        `programme_return`, at whatever reward.
    points : int
        Rewards from 0 to a fifth above the margin of a customer brought.

    Returns
    -------
    pandas.DataFrame, one row a reward
        reward, net, net_if_all: per customer with the offer.
    """
    import pandas as pd

    value = returns.set_index("quantity")["value"].astype(float).to_dict()
    rewards = np.linspace(0, 1.2 * abs(value["margin"]), points)
    net, whole = (
        gain - rewards * value["brought"] for gain in (value["caused_margin"], value["margin"] * value["brought"])
    )
    return pd.DataFrame({"reward": rewards, "net": net, "net_if_all": whole})


def anyway_sweep(
    base: ReferralBase, valued: pd.DataFrame, *, days: int, shares: Sequence[float], level: float = 0.95
) -> pd.DataFrame:
    """Array: the reward that pays by the share of customers who are believed to have come anyway.

    Parameters
    ----------
    base, valued, days, level
        As in `programme_return`.
    shares : sequence of float
        Beliefs, each 0 to 1.

    Returns
    -------
    pandas.DataFrame, one row a belief
        anyway_share, break_even_reward, low, high.
    """
    import pandas as pd

    rows = []
    for share in shares:
        found = programme_return(base, valued, reward=0.0, days=days, anyway_share=share, level=level)
        most = found.set_index("quantity").loc["break_even_reward"]
        rows.append(
            {"anyway_share": share, "break_even_reward": most["value"], "low": most["low"], "high": most["high"]}
        )
    return pd.DataFrame(rows)


def _arms(base: ReferralBase, arm: str | None, offered: str, held_out: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Who is offered a reward, and who is not; everyone and nobody without a hold-out."""
    if arm is None:
        return np.ones(len(base.customers), dtype=bool), None
    found = dict(base.groups(arm))
    for name in (offered, held_out):
        if name not in found:
            known = ", ".join(repr(each) for each in found) or "none"
            raise DataError(
                f"no customer has {arm} {name!r} (there are {known}); name the arms in offered and held_out"
            )
    return found[offered], found[held_out]


def _mean_brought(base: ReferralBase, mask: np.ndarray, days: int) -> tuple[float, np.ndarray]:
    """Customers brought by one of these, and the influence of each customer of the base."""
    counts = Counts.of(base, days, mask)
    if not (counts.followed >= days).any():
        raise DataError(f"no customer of an arm has been followed for {days} days; take a shorter window")
    value, _ = counts.estimate()
    if not value:
        raise DataError(f"the customers of an arm have brought nobody within {days} days; take a longer window")
    influence = np.zeros(len(mask))
    influence[mask] = counts.influence()
    return value, influence


def _margin(base: ReferralBase, valued: pd.DataFrame, mask: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Mean margin of those whom these customers brought, the influence of each customer of the base, their number."""
    referrer = valued["referrer"].to_numpy()
    mine = (referrer >= 0) & mask[referrer]
    if not mine.any():
        raise DataError("nobody was brought whose first days are over, so what they are worth is not known yet")
    margin = valued["margin"].to_numpy(dtype=float)[mine]
    error = (margin - margin.mean()) / len(margin)
    return float(margin.mean()), np.bincount(referrer[mine], error, len(mask)), len(margin)
