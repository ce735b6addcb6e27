"""The parts of the firm put together: from parameters and random streams to tables and truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic import acquisition, programme, purchases, referrals
from crmlib.data.synthetic.parameters import DAY, REFERRALS, Parameters, stream
from crmlib.data.synthetic.purchases import Orders, Population
from crmlib.data.synthetic.serving import ACTIVITIES, Baskets
from crmlib.data.synthetic.tables import Coded, Gappy, length
from crmlib.data.synthetic.truth import Truth

Columns = Mapping[str, Any]
Floats = NDArray[np.float64]

_REGIONS, _REGION_SHARES = ("north", "east", "south", "west"), (0.35, 0.25, 0.25, 0.15)
_TIERS, _REWARDS = ("basic", "silver", "gold"), np.array([0.01, 0.02, 0.03])
_TIER_ORDERS, _TIER_DAYS = (1, 3), 90  # orders in the days before joining that silver and gold take


class Won(NamedTuple):
    """The prospects, whom each channel reaches, who converts, and who of the customers of the whole firm does."""

    people: acquisition.Prospects
    reached: NDArray[np.bool_]
    converts: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def firm(known: Parameters, entropy: tuple[int, ...], wanted: tuple[str, ...]) -> tuple[dict[str, Columns], Truth]:
    """Columns of the wanted tables that have rows, and the truth.

    Everything is drawn for the customers won with all channels on. Those who are lost without a
    channel are then taken out, so that the others keep their ids, traits and orders.
    """
    prospects = acquisition.prospects(known, entropy)
    reached, converts = prospects.without(known.channels_off)
    won = Won(prospects, reached, converts, converts[prospects.converts])
    came = prospects.converts
    plain = purchases.population(known, entropy, prospects.decided[came], prospects.intent[came])
    bonds = referrals.links(known, entropy, plain)
    referred = bonds.referrer >= 0
    people = referrals.influenced(known, plain, referred)
    number = known.customers
    account, joined_days = np.zeros(number, dtype=bool), np.full(number, np.inf)
    made = purchases.orders(known, entropy, plain)
    first = made.basket.amount[:number]
    made = referrals.changed_orders(known, entropy, plain, people, referred, made)
    caused = prevented = made.rows(np.arange(0))
    if known.programme:
        account, joined_days = programme.accounts(known, entropy, people)
        made, caused, prevented = _influenced(known, entropy, people, made, account, joined_days)
    tier, reward = _rewards(people, made, joined_days)
    truth = _truth(
        known,
        entropy,
        won.kept,
        people,
        bonds,
        (caused, prevented),
        account=account,
        joined_days=joined_days,
        reward_share=np.where(np.isfinite(joined_days), _REWARDS[tier], 0.0),
        first_value=first,
        revenue=np.bincount(made.customer, made.basket.amount, number).astype(float),
    )
    makers = {
        "orders": lambda: _orders(_of_kept(made, won.kept)),
        "memberships": lambda: _memberships(truth, tier[won.kept], reward[won.kept]),
        "costs": _costs,
        REFERRALS: lambda: referrals.invitations(known, entropy, people, bonds),
    }
    tables: dict[str, Columns] = {name: makers[name]() for name in wanted if name in makers}
    if {"customers", "touches", "outcomes"} & set(wanted):
        tables |= _journeys(truth, won, wanted)
    return {name: tables[name] for name in wanted if length(tables[name])}, truth


def _truth(
    known: Parameters,
    entropy: tuple[int, ...],
    kept: NDArray[np.bool_],
    people: Population,
    bonds: referrals.Links,
    changes: tuple[Orders, Orders],
    **columns: NDArray[Any],
) -> Truth:
    """Truth on the customers who are kept, unchangeable; `columns` hold a value for each customer of the whole firm."""
    caused, prevented = (_of_kept(orders, kept) for orders in changes)
    traits = {name: getattr(people, name) for name in Population._fields if name != "acquired"}
    columns = {**traits, **columns, "referrer": bonds.referrer, "referral_rate": bonds.rate, "offered": bonds.offered}
    place = np.cumsum(kept) - 1
    truth = Truth(
        parameters=known,
        entropy=entropy,
        customer_id=np.flatnonzero(kept) + 1,
        acquired_at=people.acquired[kept].view("datetime64[us]"),
        **{name: values[kept] for name, values in columns.items()},
        caused_by_customer=place[np.concatenate([caused.customer, prevented.customer])],
        caused_at=np.concatenate([caused.instant, prevented.instant]).view("datetime64[us]"),
        caused_orders=np.repeat([1, -1], [len(caused.customer), len(prevented.customer)]),
        caused_spend=np.concatenate([caused.basket.amount, prevented.basket.amount]),
    )
    for field in dataclasses.fields(truth):
        if isinstance(values := getattr(truth, field.name), np.ndarray):
            values.flags.writeable = False
    return truth


def _of_kept(orders: Orders, kept: NDArray[np.bool_]) -> Orders:
    return orders if kept.all() else orders.rows(kept[orders.customer])


def _influenced(
    known: Parameters,
    entropy: tuple[int, ...],
    people: Population,
    own: Orders,
    account: NDArray[np.bool_],
    joined_days: Floats,
) -> tuple[Orders, Orders, Orders]:
    """All orders under the programme, those of them that it causes, and the orders that it prevents."""
    season, rise, caused = programme.further_orders(known, entropy, people, account, joined_days)
    own = purchases.joined([own, rise])
    lapsed = programme.lapsed(known, entropy, people, own, joined_days)
    prevented = own.rows(np.flatnonzero(lapsed))
    if len(prevented.customer):
        own = own.rows(~lapsed)
    return purchases.joined([own, season, caused]), caused, prevented


def _rewards(people: Population, made: Orders, joined_days: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Tier of each member by their orders before joining, and the cost of their rewards since."""
    number = len(joined_days)
    mine = np.flatnonzero(np.isfinite(joined_days)[made.customer])
    who = made.customer[mine]
    since = (made.instant[mine] - people.acquired[who]) / DAY - joined_days[who]
    before = np.bincount(who[(since < 0) & (since >= -_TIER_DAYS)], minlength=number)
    tier = np.searchsorted(_TIER_ORDERS, before, side="right")
    after = since >= 0
    spent = np.bincount(who[after], made.basket.amount[mine][after], number)
    return tier, np.round(_REWARDS[tier] * spent, 2)


def _orders(made: Orders) -> Columns:
    in_time = np.argsort(made.instant, kind="stable")
    basket: Baskets = made.basket.rows(in_time)
    return {
        "order_id": np.arange(1, len(in_time) + 1),
        "customer_id": made.customer[in_time] + 1,
        "ordered_at": made.instant[in_time].view("datetime64[us]"),
        **basket._asdict(),
    }


def _customers(truth: Truth, won: Won, last: NDArray[np.int64]) -> Columns:
    rng, number = stream(truth.entropy, "regions"), truth.parameters.customers
    region = np.searchsorted(np.cumsum(_REGION_SHARES)[:-1], rng.random(number), side="right")
    columns: dict[str, Any] = {
        "customer_id": truth.customer_id,
        "acquired_at": truth.acquired_at,
        "channel": Coded(last, acquisition.NAMES),
        "region": Coded(region[won.kept], _REGIONS),
    }
    if truth.parameters.programme:
        columns["account"] = truth.account
    if truth.parameters.reproduction:
        columns["referral_arm"] = Coded(truth.offered.astype(np.int64), referrals.ARMS)
    return columns


def _journeys(truth: Truth, won: Won, wanted: tuple[str, ...]) -> dict[str, Columns]:
    """Touches and outcomes of all prospects, and the customers' channels."""
    known, people = truth.parameters, won.people
    only = None if "touches" in wanted else won.converts
    found = acquisition.touches(known, truth.entropy, people, won.reached, only)
    customer_id = np.zeros(len(people.decided), dtype=np.int64)
    customer_id[won.converts] = truth.customer_id
    value = np.zeros(len(people.decided))
    value[won.converts] = truth.first_value
    tables: dict[str, Columns] = {}
    if "touches" in wanted:
        prices = np.array([channel.cost for channel in acquisition.CHANNELS])
        who = customer_id[found.journey]
        tables["touches"] = {
            "journey_id": found.journey + 1,
            "position": acquisition.positions(found),
            "channel": Coded(found.code, acquisition.NAMES),
            "touched_at": acquisition.touched_at(found, people).view("datetime64[us]"),
            "customer_id": Gappy(who, who == 0),
            "cost": prices[found.code],
        }
    if "outcomes" in wanted:
        decided = people.decided.view("datetime64[us]").copy()
        decided[~won.converts] = np.datetime64("NaT")
        tables["outcomes"] = {
            "journey_id": np.arange(1, len(decided) + 1),
            "conversions": won.converts.astype(np.int64),
            "value": value,
            "nulls": (~won.converts).astype(np.int64),
            "converted_at": decided,
            "customer_id": Gappy(customer_id, ~won.converts),
        }
    if "customers" in wanted:
        last = acquisition.last_touch(found, np.flatnonzero(won.converts))
        tables["customers"] = _customers(truth, won, last)
    return tables


def _memberships(truth: Truth, tier: NDArray[np.int64], reward: Floats) -> Columns:
    members = np.flatnonzero(np.isfinite(truth.joined_days))
    joined = truth.joined_at[members]
    members = members[np.argsort(joined, kind="stable")]
    return {
        "customer_id": truth.customer_id[members],
        "joined_at": np.sort(joined),
        "tier": Coded(tier[members], _TIERS),
        "reward_cost": reward[members],
    }


def _costs() -> Columns:
    activity, driver, rate, behaviour = (tuple(column) for column in zip(*ACTIVITIES, strict=True))
    codes = np.arange(len(ACTIVITIES))
    return {
        "activity": Coded(codes, activity),
        "driver": Coded(codes, driver),
        "rate": np.array(rate),
        "behaviour": Coded(codes, behaviour),
    }
