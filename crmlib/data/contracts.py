"""What every table must look like: columns, types, keys, ranges. `data/README.md` says what they mean.

A contract is data, not code; `crmlib.data.checks` turns it into one query a table that is the
same on every engine. Columns that no contract names are carried along unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: id: whole number or text · instant: date or datetime without time zone · number: finite ·
#: count: whole number · text · flag: true or false.
Kind = Literal["id", "instant", "number", "count", "text", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract.

    Parameters
    ----------
    name : str
    kind : {"id", "instant", "number", "count", "text", "flag"}
    required : bool
        The table is refused without it.
    missing : bool, optional
        Whether values may be missing; by default only those of an optional column.
    low, high : float, optional
        Inclusive range.
    returned : bool
        Values below `low` are legitimate where a source states `returns: true`.
    event : bool
        An instant at which something happened: it can be at latest on the source's `as_of`.
    """

    name: str
    kind: Kind
    required: bool = True
    missing: bool | None = None
    low: float | None = None
    high: float | None = None
    returned: bool = False
    event: bool = False

    @property
    def may_be_missing(self) -> bool:
        """Whether a missing value is no fault."""
        return not self.required if self.missing is None else self.missing


@dataclass(frozen=True, slots=True)
class Contract:
    """Columns of a table, the key that is unique in it, and the tables its ids refer to."""

    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """Return the column of that name; `None` for one that the contract does not know."""
        return next((column for column in self.columns if column.name == name), None)


def _id(name: str, *, required: bool = True, missing: bool | None = None) -> Column:
    return Column(name, "id", required, missing)


def _happened(name: str, *, required: bool = True) -> Column:
    return Column(name, "instant", required, event=True)


def _positive(name: str, *, required: bool = True, returned: bool = False) -> Column:
    return Column(name, "number", required, low=0, returned=returned)


def _count(name: str) -> Column:
    return Column(name, "count", required=False, low=0)


def _text(name: str, *, required: bool = False, missing: bool | None = None) -> Column:
    return Column(name, "text", required, missing)


CONTRACTS: Mapping[str, Contract] = {
    "customers": Contract(
        (
            _id("customer_id"),
            _happened("acquired_at", required=False),
            _text("channel"),
            _text("region"),
            Column("account", "flag", required=False),
            _text("referral_arm"),
        ),
        key=("customer_id",),
    ),
    "orders": Contract(
        (
            _id("order_id"),
            _id("customer_id"),
            _happened("ordered_at"),
            _positive("amount", returned=True),
            _positive("cost", required=False, returned=True),
            _positive("discount", required=False, returned=True),
            Column("quantity", "count", required=False, low=0, returned=True),
            *(_count(name) for name in ("lines", "deliveries", "returns", "service_calls")),
            _id("store_id", required=False),
            _text("channel"),
        ),
        key=("order_id",),
        references={"customer_id": "customers"},
    ),
    "order_lines": Contract(
        (
            _id("order_id"),
            _id("product_id"),
            Column("quantity", "count", low=0, returned=True),
            _positive("amount", returned=True),
            _positive("cost", required=False, returned=True),
            _positive("discount", required=False, returned=True),
        ),
        references={"order_id": "orders", "product_id": "products"},
    ),
    "products": Contract(
        (
            _id("product_id"),
            _text("category"),
            _text("department"),
            _text("brand"),
            _positive("unit_cost", required=False),
        ),
        key=("product_id",),
    ),
    "choices": Contract(
        (
            _id("customer_id"),
            Column("position", "count", low=1),
            _text("brand", required=True),
            _positive("price", required=False),
        ),
        key=("customer_id", "position"),
        references={"customer_id": "customers"},
    ),
    "touches": Contract(
        (
            _id("journey_id"),
            Column("position", "count", low=1),
            _text("channel", required=True),
            _happened("touched_at", required=False),
            _id("customer_id", required=False),
            _positive("cost", required=False),
        ),
        key=("journey_id", "position"),
        references={"journey_id": "outcomes"},
    ),
    "outcomes": Contract(
        (
            _id("journey_id"),
            Column("conversions", "count", low=0),
            _positive("value"),
            Column("nulls", "count", low=0),
            _happened("converted_at", required=False),
            _id("customer_id", required=False),
        ),
        key=("journey_id",),
    ),
    "campaigns": Contract(
        (
            _id("campaign_id"),
            _text("type", required=True),
            Column("starts_at", "instant"),
            Column("ends_at", "instant"),
            _positive("unit_cost", required=False),
        ),
        key=("campaign_id",),
    ),
    "contacts": Contract(
        (_id("campaign_id"), _id("customer_id"), _happened("contacted_at"), _text("arm")),
        references={"campaign_id": "campaigns", "customer_id": "customers"},
    ),
    "responses": Contract(
        (_id("campaign_id"), _id("customer_id"), _happened("responded_at"), _positive("value", required=False)),
        references={"campaign_id": "campaigns", "customer_id": "customers"},
    ),
    "memberships": Contract(
        (_id("customer_id"), _happened("joined_at"), _text("tier"), _positive("reward_cost", required=False)),
        key=("customer_id",),
        references={"customer_id": "customers"},
    ),
    "spend": Contract(
        (Column("week", "instant"), _text("channel", required=True), _positive("spend")), key=("week", "channel")
    ),
    "subscriptions": Contract(
        (
            _id("customer_id"),
            Column("tenure_months", "number", low=0),
            Column("left", "flag"),
            _text("contract"),
            _positive("monthly_charge", required=False),
        ),
        key=("customer_id",),
        references={"customer_id": "customers"},
    ),
    "referrals": Contract(
        (
            _id("referral_id"),
            _id("referrer_id"),
            _happened("invited_at"),
            _id("customer_id", required=False),
            _happened("joined_at", required=False),
        ),
        key=("referral_id",),
        references={"customer_id": "customers"},
    ),
    "purchase_history": Contract(
        (
            _id("customer_id"),
            Column("frequency", "count", low=0),
            _positive("recency"),
            _positive("age"),
            _positive("monetary_value", required=False),
        ),
        key=("customer_id",),
        references={"customer_id": "customers"},
    ),
    "costs": Contract(
        (_text("activity", required=True), _text("driver", required=True), _positive("rate"), _text("behaviour")),
        key=("activity",),
    ),
    "cases": Contract(
        (
            _id("case_id"),
            _id("customer_id"),
            _happened("opened_at"),
            _id("agent_id", required=False),
            _happened("resolved_at", required=False),
            _text("topic"),
            _text("channel"),
            _text("text"),
            Column("satisfaction", "count", required=False),
        ),
        key=("case_id",),
        references={"customer_id": "customers"},
    ),
}

#: Keys that point at a person: their values never appear in a message.
PERSONAL = frozenset({"customer_id", "referrer_id"})
