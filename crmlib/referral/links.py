"""Invitations -> who brought whom, each judged by stated rules: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import as_date, day_number, period_start, wrap

_NEVER = datetime.datetime(1970, 1, 1)  # stands in where an instant is missing; such rows are judged so
_EPOCH = datetime.date(1970, 1, 1)
_NEEDED = ("referral_id", "referrer_id", "invited_at")
#: What an invitation can be judged to be, in the order in which the rules are tried.
STATUSES = (
    "incomplete",
    "self",
    "open",
    "unknown customer",
    "customer before",
    "later invitation",
    "unknown referrer",
    "before referrer",
    "accepted",
)
#: Those whose customer counts as referred, though only "accepted" ones count for a referrer.
REFERRED = ("unknown referrer", "before referrer", "accepted")


def judged_referrals(referrals: Any, customers: Any, *, as_of: str | datetime.date) -> Any:
    """Frame: each invitation with what became of it, by rules that decide every odd case.

    Parameters
    ----------
    referrals : any frame
        referral_id, referrer_id, invited_at; customer_id and joined_at, where accepted. Without joined_at, or
        where it is missing, the customer's acquired_at stands for it.
    customers : any frame of that kind
        customer_id (one row each), acquired_at. Who has no acquired_at is unknown.
    as_of : date or ISO string
        Last day that counts: later invitations are left out, later joinings are open still.

    Returns
    -------
    frame of the same kind, one row an invitation
        referral_id, referrer_id, customer_id, invited_day, joined_day (Int64, days since 1970-01-01; joined_day only
        means something where accepted), response_days, cycle_days (Int64: from the invitation, and from the referrer's
        own acquisition, to joining; missing where there is none), status. By the first rule that holds:

        - "incomplete": referral_id, referrer_id or invited_at is missing;
        - "self": a customer who invited themself;
        - "open": not accepted so far;
        - "unknown customer": the customer is not in customers;
        - "customer before": joined on a day before the invitation, so was not won by it;
        - "later invitation": the customer had one before that counts (by instant, then by referral_id);
        - "unknown referrer": not in customers, such as an employee; the customer counts as referred;
        - "before referrer": joined on a day before the referrer did; the customer counts as referred, but for nobody;
        - "accepted": the referrer's customer. All three may fall on one day, as many sources only know days.

        Sorted on eager frames.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    last = _last_instant(as_of)
    table, people = _known_columns(referrals, last, customers), _people(customers)
    by_customer = people.rename({"person": "customer_id", "since": "customer_since"})
    by_referrer = people.rename({"person": "referrer_id", "since": "referrer_since"})
    table = table.join(by_customer, on="customer_id", how="left").join(by_referrer, on="referrer_id", how="left")
    joined = nw.coalesce(nw.col("joined_at"), nw.col("customer_since")).fill_null(_NEVER)
    table = table.with_columns(
        invited_day=day_number(nw.col("invited_at").fill_null(_NEVER)),
        joined_day=day_number(joined),
        start=day_number(nw.col("referrer_since").fill_null(_NEVER)),
    )
    table = table.with_columns(first_rule=_first_rule(_number(as_of)))
    possible = nw.col("first_rule") == ""
    table = table.with_columns(candidate=nw.when(possible).then(nw.col("invited_at")))
    table = table.with_columns(first=nw.col("candidate").min().over("customer_id"))
    is_first = possible & (nw.col("candidate") == nw.col("first"))
    table = table.with_columns(own=nw.when(is_first).then(nw.col("referral_id")))
    table = table.with_columns(chosen=nw.col("own").min().over("customer_id"))
    later = ~(nw.col("own").fill_null(nw.col("chosen")) == nw.col("chosen")) | ~is_first
    status = (
        nw.when(~possible)
        .then(nw.col("first_rule"))
        .otherwise(
            nw.when(later)
            .then(nw.lit("later invitation"))
            .otherwise(
                nw.when(nw.col("referrer_since").is_null())
                .then(nw.lit("unknown referrer"))
                .otherwise(
                    nw.when(nw.col("joined_day") < nw.col("start"))
                    .then(nw.lit("before referrer"))
                    .otherwise(nw.lit("accepted"))
                )
            )
        )
    )
    table = table.with_columns(status=status)
    won, linked = nw.col("status").is_in(REFERRED), nw.col("status") == "accepted"
    result = table.select(
        "referral_id",
        "referrer_id",
        "customer_id",
        "invited_day",
        "joined_day",
        response_days=nw.when(won).then(nw.col("joined_day") - nw.col("invited_day")),
        cycle_days=nw.when(linked).then(nw.col("joined_day") - nw.col("start")),
        status=nw.col("status"),
    )
    return (result.sort("referral_id") if isinstance(result, nw.DataFrame) else result).to_native()


def referrer_histories(judged: Any, customers: Any, *, as_of: str | datetime.date, columns: Sequence[str] = ()) -> Any:
    """Frame: each customer's time to refer so far, their invitations and the customers they brought.

    Parameters
    ----------
    judged : any frame
        `judged_referrals` of the same `as_of`.
    customers : any frame of that kind
        customer_id, acquired_at, and `columns`. Who has no acquired_at, or a later one, is left out.
    as_of : date or ISO string
        Last day that counts.
    columns : sequence of str
        Further columns of customers to carry along, such as channel.

    Returns
    -------
    frame of the same kind, one row a customer
        customer_id, cohort (datetime, first of the month of acquisition), followed_days (Int64, days from acquisition
        to as_of), invitations (sent, whatever became of them), brought (customers, both Int64), referred (Boolean: was
        referred), and `columns`. Sorted on eager frames.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    last = _last_instant(as_of)
    wanted = ["customer_id", "acquired_at", *columns]
    people = wrap(customers, wanted, table="customers").filter(
        ~nw.col("customer_id").is_null(), ~nw.col("acquired_at").is_null()
    )
    people = people.with_columns(nw.col("acquired_at").cast(nw.Datetime("us"))).filter(nw.col("acquired_at") < last)
    table = nw.from_native(judged)
    sent = table.filter(~nw.col("status").is_in(["incomplete", "self"])).with_columns(
        mine=(nw.col("status") == "accepted").cast(nw.Int64)
    )
    sent = sent.group_by("referrer_id").agg(invitations=nw.len(), brought=nw.col("mine").sum())
    won = table.filter(nw.col("status").is_in(REFERRED)).group_by("customer_id").agg(times=nw.len())
    made = people.join(sent.rename({"referrer_id": "customer_id"}), on="customer_id", how="left")
    made = made.join(won, on="customer_id", how="left").select(
        "customer_id",
        *columns,
        cohort=period_start(nw.col("acquired_at"), "month"),
        followed_days=_number(as_of) - day_number(nw.col("acquired_at")),
        invitations=nw.col("invitations").fill_null(0).cast(nw.Int64),
        brought=nw.col("brought").fill_null(0).cast(nw.Int64),
        referred=nw.col("times").fill_null(0) > 0,
    )
    return (made.sort("customer_id") if isinstance(made, nw.DataFrame) else made).to_native()


def _number(as_of: str | datetime.date) -> int:
    """Day number of the last day."""
    day = as_date(as_of, name="as_of")
    if day is None:
        raise ParameterError("as_of is not set; give the data's last day as YYYY-MM-DD")
    return (day - _EPOCH).days


def _last_instant(as_of: str | datetime.date) -> datetime.datetime:
    """First instant after the last day."""
    return _NEVER + datetime.timedelta(days=_number(as_of) + 1)


def _known_columns(referrals: Any, last: datetime.datetime, customers: Any) -> Any:
    """Referrals up to the last day, with the columns that may be absent."""
    given = list(_NEEDED)
    wrap(referrals, given, table="referrals")  # refuses what is no frame, or lacks them
    present = nw.from_native(referrals).collect_schema().names()
    given += [name for name in ("customer_id", "joined_at") if name in present]
    table: Any = wrap(referrals, given, table="referrals")
    if "customer_id" not in present:
        table = table.with_columns(customer_id=nw.when(nw.col("referrer_id").is_null()).then(nw.col("referrer_id")))
    if "joined_at" not in present:
        table = table.with_columns(joined_at=nw.when(nw.col("referral_id").is_null()).then(nw.col("invited_at")))
    instants = [nw.col(name).cast(nw.Datetime("us")) for name in ("invited_at", "joined_at")]
    table = table.with_columns(*instants)
    # where few or no ids are there, an engine may hold them as another type than the customers' own
    wanted = wrap(customers, ("customer_id",), table="customers").collect_schema()["customer_id"]
    for name in ("referrer_id", "customer_id"):
        other = table.collect_schema()[name] != wanted
        if other and (wanted == nw.String or not table.implementation.is_pandas()):
            known = ~nw.col(name).is_null()
            table = table.with_columns(nw.when(known).then(nw.col(name).cast(wanted)).alias(name))
    return table.filter(nw.col("invited_at").is_null() | (nw.col("invited_at") < last))


def _people(customers: Any) -> Any:
    """Each customer once, with the instant of acquisition."""
    table = wrap(customers, ("customer_id", "acquired_at"), table="customers")
    table = table.filter(~nw.col("customer_id").is_null(), ~nw.col("acquired_at").is_null())
    table = table.with_columns(since=nw.col("acquired_at").cast(nw.Datetime("us")))
    return table.group_by("customer_id").agg(nw.col("since").min()).rename({"customer_id": "person"})


def _first_rule(last: int) -> nw.Expr:
    """The first rule that an invitation breaks by itself; empty for none."""
    rules = {
        "incomplete": nw.any_horizontal(*(nw.col(name).is_null() for name in _NEEDED), ignore_nulls=True),
        "self": (nw.col("referrer_id") == nw.col("customer_id")).fill_null(value=False),
        "open": nw.col("customer_id").is_null() | (nw.col("joined_day") > last),
        "unknown customer": nw.col("customer_since").is_null(),
        "customer before": nw.col("joined_day") < nw.col("invited_day"),
    }
    found: nw.Expr = nw.lit("")
    for name, broken in reversed(rules.items()):
        found = nw.when(broken).then(nw.lit(name)).otherwise(found)
    return found
