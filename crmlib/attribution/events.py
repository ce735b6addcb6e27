"""Touches and outcomes of customers' events: where a journey begins, how it ends, which of them count."""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import as_date, wrap

_EVENTS = ("customer_id", "occurred_at", "channel", "conversions", "value")


def journeys(events: Any, *, lookback_days: int = 30, as_of: str | datetime.date | None = None) -> tuple[Any, Any]:
    """Frame: journeys of customers' events: touches, and how each journey ended.

    A journey ends at a conversion; the next touch begins another. Of a journey that converted, touches
    more than `lookback_days` before the conversion are dropped; of one that did not, touches more than
    that before its last touch. A journey without a conversion whose last touch lies less than
    `lookback_days` before the end of `as_of` is *open*: it may still convert, and counts neither as a
    conversion nor as a null (both 0).

    Decided here: a touch at the same instant as a conversion came before it. Touches at one instant
    are ordered by channel; the same channel twice at one instant is one touch recorded twice.
    Conversions of a customer at one instant are one, with their counts and values summed. A conversion
    without a touch in the look-back is an outcome without touches, which no rule can credit. A touch
    without a channel stands as "(unknown)". Rows without customer or instant are left out.

    Parameters
    ----------
    events : any frame
        customer_id, occurred_at (date or datetime), channel (missing or empty at a mere conversion),
        conversions (how many happened; 0, missing or False at a mere touch), value (of them).
        A row with channel and conversion is a touch that converted at once.
    lookback_days : int
        Days of 24 hours, at least 1.
    as_of : date or ISO string, optional
        Last day that counts; later events are left out. Default: the last event's day.

    Returns
    -------
    (touches, outcomes), frames of the same kind
        touches: journey_id (text: customer_id, "-" and the number of conversions before), position
        (from 1), channel, touched_at, customer_id. outcomes: journey_id, conversions, value, nulls
        (1 for a journey that ended without), converted_at (missing without), customer_id. Sorted on
        eager frames; lazy results carry no order.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    if isinstance(lookback_days, bool) or not isinstance(lookback_days, int) or lookback_days < 1:
        raise ParameterError(f"lookback_days is {lookback_days!r}; give a whole number of days from 1 on")
    kept = _until(_events(events), as_of)
    back = f"{lookback_days}d"
    numbered = _numbered(kept)
    ends = numbered.filter(nw.col("happened") == 1).select("journey_id", "customer_id", "conversions", "value", "at")
    ends = ends.rename({"at": "converted_at"})
    seen = numbered.filter(nw.col("happened") == 0).select("journey_id", "customer_id", "channel", "at")
    seen = seen.join(ends.select("journey_id", "converted_at"), on="journey_id", how="left")
    last = seen.group_by("journey_id").agg(last=nw.col("at").max())
    seen = seen.join(last, on="journey_id", how="inner")
    end = nw.coalesce("converted_at", "last")
    seen = seen.filter(nw.col("at") >= end.dt.offset_by(f"-{back}"))
    position = nw.col("one").cum_sum().over("journey_id", order_by=["at", "channel"]).cast(nw.Int64)
    touches = seen.with_columns(one=nw.lit(1)).select(
        "journey_id",
        position.alias("position"),
        "channel",
        nw.col("at").alias("touched_at"),
        "customer_id",
    )
    outcomes = _outcomes(seen, ends, _end(kept, as_of), back)
    return _in_order(touches, "journey_id", "position").to_native(), _in_order(outcomes, "journey_id").to_native()


def journeys_until(touches: Any, outcomes: Any, as_of: str | datetime.date | None) -> tuple[Any, Any]:
    """Frame: only the journeys all of whose touches, and conversions, had happened by a day.

    Parameters
    ----------
    touches : any frame
        journey_id, touched_at.
    outcomes : any frame
        journey_id [converted_at].
    as_of : date or ISO string, optional
        Last day that counts. Not set: the tables as they are.

    Returns
    -------
    (touches, outcomes), frames of the same kind, with all their columns
        A journey without touches stays if it had converted by then, or does not say when.

    Raises
    ------
    ParameterError
        The touches have no times, so that no day can be set.
    """
    day = as_date(as_of, name="as_of")
    if day is None:
        return touches, outcomes
    contacts, ends = nw.from_native(touches), nw.from_native(outcomes)
    if "touched_at" not in contacts.collect_schema().names():
        raise ParameterError(f"as_of is {day}, but these touches have no times; leave as_of empty")
    until = nw.lit(_midnight_after(day))
    late = contacts.filter(nw.col("touched_at").cast(nw.Datetime("us")) >= until).select("journey_id")
    if "converted_at" in ends.collect_schema().names():
        ended_late = ends.filter(nw.col("converted_at").cast(nw.Datetime("us")) >= until).select("journey_id")
        late = nw.concat([late, ended_late])
    late = late.unique()
    kept = (frame.join(late, on="journey_id", how="anti") for frame in (contacts, ends))
    contacts, ends = kept
    return contacts.to_native(), ends.to_native()


def _events(events: Any) -> Any:
    """Rows with customer and instant: at, channel or missing, conversions and value filled with 0."""
    view = wrap(events, _EVENTS, table="events")
    known = view.filter(~nw.col("customer_id").is_null(), ~nw.col("occurred_at").is_null())
    return known.select(
        "customer_id",
        nw.col("occurred_at").cast(nw.Datetime("us")).alias("at"),
        nw.when(nw.col("channel").cast(nw.String).str.strip_chars() != "")
        .then(nw.col("channel").cast(nw.String))
        .alias("channel"),
        nw.col("conversions").cast(nw.Float64).fill_null(0.0),
        nw.col("value").cast(nw.Float64).fill_null(0.0),
    )


def _until(events: Any, as_of: str | datetime.date | None) -> Any:
    day = as_date(as_of, name="as_of")
    if day is None:
        return events
    return events.filter(nw.col("at") < nw.lit(_midnight_after(day)))


def _midnight_after(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(days=1)


def _end(events: Any, as_of: str | datetime.date | None) -> Any:
    """One row: `until`, the end of the day as_of, or of the last event's."""
    day = as_date(as_of, name="as_of")
    if day is not None:
        return events.select(until=nw.lit(_midnight_after(day)).cast(nw.Datetime("us"))).head(1)
    return events.select(until=nw.col("at").max().dt.truncate("1d").dt.offset_by("1d"))


def _numbered(events: Any) -> Any:
    """Touches (happened 0) and conversions (1), each with the journey it belongs to."""
    from crmlib.attribution.paths import UNKNOWN

    converting = nw.col("conversions") > 0
    ends = (
        events.filter(converting).group_by("customer_id", "at").agg(nw.col("conversions").sum(), nw.col("value").sum())
    )
    ends = ends.with_columns(channel=nw.lit(None, nw.String), happened=nw.lit(1))
    touched = events.filter(~nw.col("channel").is_null() | ~converting)
    touched = touched.with_columns(nw.col("channel").fill_null(UNKNOWN))
    touched = touched.group_by("customer_id", "at", "channel").agg(rows=nw.len())
    touched = touched.with_columns(conversions=nw.lit(0.0), value=nw.lit(0.0), happened=nw.lit(0))
    columns = ("customer_id", "at", "channel", "conversions", "value", "happened")
    both = nw.concat([touched.select(*columns), ends.select(*columns)])
    # A touch at the instant of a conversion comes before it: it does not count that conversion.
    before = nw.col("happened").cum_sum().over("customer_id", order_by=["at", "happened"]) - nw.col("happened")
    return both.with_columns(before=before.cast(nw.Int64)).with_columns(
        journey_id=nw.concat_str(nw.col("customer_id").cast(nw.String), nw.col("before").cast(nw.String), separator="-")
    )


def _outcomes(seen: Any, ends: Any, until: Any, back: str) -> Any:
    """One row a journey: those that converted, and those with touches that did not (yet)."""
    missing = nw.col("converted_at").is_null()
    silent = seen.filter(missing).select("journey_id", "customer_id", "converted_at", "last").unique(("journey_id",))
    over = nw.col("last").dt.offset_by(back) <= nw.col("until")
    silent = silent.join(until, how="cross").select(
        "journey_id",
        nw.lit(0.0).alias("conversions"),
        nw.lit(0.0).alias("value"),
        nw.when(over).then(nw.lit(1)).otherwise(nw.lit(0)).alias("nulls"),
        "converted_at",
        "customer_id",
    )
    won = ends.select("journey_id", "conversions", "value", nw.lit(0).alias("nulls"), "converted_at", "customer_id")
    whole = nw.col("conversions", "nulls").cast(nw.Int64)
    return nw.concat([won, silent]).with_columns(whole)


def _in_order(table: Any, *columns: str) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort(*columns) if isinstance(table, nw.DataFrame) else table
