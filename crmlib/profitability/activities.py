"""Activities and what they cost: the rates and pools of activity-based costing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap

_BEHAVIOUR = {"avoidable": 1.0, "allocated": 0.0}


@dataclass(frozen=True, slots=True)
class Activity:
    """Something done for customers, the driver that counts it, and its cost.

    Give exactly one of `rate`, the cost of one unit of the driver, and `amount`, a total that is
    shared out over customers in proportion to the driver (rent, head office).

    Parameters
    ----------
    name : str
        Name of the activity; the columns of its cost carry it.
    driver : str
        What it is counted by: see `driver_quantities`.
    rate : float, optional
        Cost of one unit of the driver, at least 0.
    amount : float, optional
        Total cost of the period, at least 0.
    avoidable_share : float, optional
        Part of the cost (0-1) that is saved when the customer leaves; the rest stays with the firm and
        is only allocated. Default: 1 for a rate, 0 for an amount, and 0 for the drivers `acquisition` and
        `acquisition/<months>`: what it cost to win a customer is spent, whoever leaves.

    Raises
    ------
    ParameterError
        A driver without a rate (neither rate nor amount: no cost is not the same as a cost of 0, which is given
        as 0), both of them, a rate without a driver, a negative or missing number, a share outside 0-1.

    Examples
    --------
    >>> Activity("picking", "lines", rate=4.0, avoidable_share=0.5).avoidable
    0.5
    """

    name: str
    driver: str
    rate: float | None = None
    amount: float | None = None
    avoidable_share: float | None = None

    def __post_init__(self) -> None:
        for what in ("name", "driver"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text.strip():
                whose = f"activity {self.name!r}: its" if what == "driver" else "an activity's"
                raise ParameterError(f"{whose} {what} is {text!r}; name it, such as Activity('picking', 'lines')")
        if self.rate is None and self.amount is None:
            raise ParameterError(
                f"activity {self.name!r} has the driver {self.driver!r} but no rate; "
                "give the cost of one unit of it, or leave the activity out"
            )
        if self.rate is not None and self.amount is not None:
            raise ParameterError(f"activity {self.name!r} has a rate and an amount; give one of them")
        for what in ("rate", "amount"):
            value = getattr(self, what)
            if value is not None and not (_number(value) and value >= 0):
                raise ParameterError(f"activity {self.name!r}: {what} is {value!r}; give a finite cost of 0 or more")
        share = self.avoidable_share
        if share is not None and not (_number(share) and 0 <= share <= 1):
            raise ParameterError(f"activity {self.name!r}: avoidable_share is {share!r}; give a share from 0 to 1")

    @property
    def avoidable(self) -> float:
        """Share of the cost that is saved when the customer leaves."""
        if self.avoidable_share is not None:
            return float(self.avoidable_share)
        spent = self.amount is not None or self.driver.split("/")[0] == "acquisition"
        return 0.0 if spent else 1.0


def activities(costs: Any) -> tuple[Activity, ...]:
    """Activities of a `costs` table, or of a sequence that holds them already.

    Parameters
    ----------
    costs : any frame, or iterable of Activity
        A frame has activity (text, unique), driver (text) and rate (money a unit of the driver) or amount
        (money in total); of the two a row holds one. It may have avoidable_share (0-1), or else behaviour:
        "avoidable" stands for a share of 1, "allocated" for 0. No rows: nothing is charged.

    Returns
    -------
    tuple of Activity

    Raises
    ------
    MissingColumnsError
        A frame without activity or driver, or with neither rate nor amount.
    ParameterError
        A row without rate and amount, or with both, or without a driver; an activity that stands twice; an unknown
        behaviour; something else than activities in the sequence.
    """
    if isinstance(costs, Activity):
        costs = (costs,)
    frame = nw.from_native(costs, pass_through=True)
    if isinstance(frame, (nw.DataFrame, nw.LazyFrame)):
        found = _from_frame(costs, frame.collect_schema().names())
    elif isinstance(costs, Iterable) and not isinstance(costs, (str, bytes, Mapping)):
        found = tuple(costs)
    else:
        raise DataError(f"costs must be a frame or a list of activities, not {type(costs).__name__}")
    for one in found:
        if not isinstance(one, Activity):
            raise ParameterError(f"costs hold {one!r}; give Activity('picking', 'lines', rate=4.0) or a frame")
    names = [one.name for one in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ParameterError(f"the activity {repeated[0]!r} stands twice; give each its own name")
    if "cost" in names:
        raise ParameterError("an activity cannot be named 'cost': its columns would be those of the totals; rename it")
    return found


def _from_frame(costs: Any, present: list[str]) -> tuple[Activity, ...]:
    priced = [name for name in ("rate", "amount") if name in present] or ["rate"]
    more = [name for name in ("avoidable_share", "behaviour") if name in present][:1]
    native = wrap(costs, ["activity", "driver", *priced, *more], table="costs").to_native()
    rows = to_pandas(native).to_dict("records")
    found = []
    for row in rows:
        values = {name: _given(row[name]) for name in priced}
        share = _share(row["activity"], row[more[0]]) if more else None
        found.append(Activity(row["activity"], row["driver"], avoidable_share=share, **values))
    return tuple(found)


def _share(activity: str, value: Any) -> float | None:
    """Avoidable share from a number or a behaviour."""
    if isinstance(value, str):
        if value not in _BEHAVIOUR:
            raise ParameterError(
                f"activity {activity!r}: behaviour is {value!r}; it is one of {', '.join(map(repr, _BEHAVIOUR))}"
            )
        return _BEHAVIOUR[value]
    return _given(value)


def _given(value: Any) -> float | None:
    """`None` for a missing cell."""
    return None if value is None or value != value else float(value)


def _number(value: Any) -> bool:
    plain = isinstance(value, (int, float)) or hasattr(value, "__float__")
    return plain and not isinstance(value, (bool, str)) and math.isfinite(value)
