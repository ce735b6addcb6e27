"""What all estimates start from: customers with their time to refer, and the links between them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.referral.links import REFERRED, STATUSES, judged_referrals, referrer_histories

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ReferralBase:
    """Customers and referrals up to a last day, as small pandas frames.

    Attributes
    ----------
    customers : pandas.DataFrame
        `referrer_histories`, with generation (Int64: 0 for who came by themselves or by somebody unknown, 1 for whom
        they referred, and so on; missing in a loop) and family (row of the first of the line; of their own in a loop).
    links : pandas.DataFrame
        One row an accepted invitation: referrer, customer (rows of `customers`), cycle_days, response_days.
    invitations : pandas.DataFrame
        One row an invitation of a customer: referrer (row), age_days (of the referrer as a customer), waited_days (to
        the last day), response_days (missing while not accepted).
    statuses : pandas.Series
        Invitations by `STATUSES`.
    """

    customers: pd.DataFrame
    links: pd.DataFrame
    invitations: pd.DataFrame
    statuses: pd.Series

    @property
    def followed(self) -> np.ndarray:
        """Days that each customer has been followed."""
        return self.customers["followed_days"].to_numpy(dtype=np.int64)

    def groups(self, by: str | None) -> list[tuple[Any, np.ndarray]]:
        """Names and masks of the groups of customers; one group without `by`. Missing values make none.

        Raises
        ------
        MissingColumnsError
        """
        if by is None:
            return [("all", np.ones(len(self.customers), dtype=bool))]
        if by not in self.customers:
            raise MissingColumnsError(f"the customers lack {by!r}; name it in `columns` of referral_base")
        values = self.customers[by]
        return [(name, (values == name).to_numpy(dtype=bool)) for name in sorted(values.dropna().unique())]


def referral_base(
    referrals: Any,
    customers: Any,
    *,
    as_of: str | datetime.date,
    since: str | datetime.date | None = None,
    columns: Sequence[str] = (),
) -> ReferralBase:
    """Array: customers with their time to refer, and who brought whom, from the two tables.

    Parameters
    ----------
    referrals, customers : any frames of one kind
        As `judged_referrals` takes them. Referrals may have no rows: then nobody has referred anyone.
    as_of : date or ISO string
        Last day that counts.
    since : date or ISO string, optional
        First day from which referrals are recorded: customers won before it are left out, as what they brought in their
        first days is not known. Whom they bring later counts as referred, by somebody unknown.
    columns : sequence of str
        Further columns of customers to keep, such as channel or referral_arm.

    Returns
    -------
    ReferralBase

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        No customer up to that day, or one in two rows.
    """
    import pandas as pd

    first = as_date(since, name="since")
    if first is not None:
        won_at = nw.col("acquired_at").cast(nw.Datetime("us"))
        known = wrap(customers, ("customer_id", "acquired_at", *columns), table="customers")
        customers = known.filter(won_at >= datetime.datetime.combine(first, datetime.time())).to_native()
    judged_frame = judged_referrals(referrals, customers, as_of=as_of)
    people = to_pandas(
        referrer_histories(judged_frame, customers, as_of=as_of, columns=columns), sort_by=["customer_id"]
    )
    if not len(people):
        begin = f" from {first}" if first else ""
        raise DataError(f"there is no customer with acquired_at{begin} up to {as_of}; take other days")
    if people["customer_id"].duplicated().any():
        raise DataError("a customer stands in two rows of customers; keep one row each")
    judged = to_pandas(judged_frame, sort_by=["referral_id"])
    place = pd.Index(people["customer_id"])
    links = judged[judged["status"] == "accepted"]
    rows = {
        "referrer": place.get_indexer(links["referrer_id"]),
        "customer": place.get_indexer(links["customer_id"]),
        "cycle_days": links["cycle_days"].to_numpy(dtype=np.int64),
        "response_days": links["response_days"].to_numpy(dtype=np.int64),
    }
    links = pd.DataFrame(rows).sort_values("customer", ignore_index=True)
    sent = judged[~judged["status"].isin(["incomplete", "self"])]
    referrer = place.get_indexer(sent["referrer_id"])
    last = (pd.Timestamp(str(as_of)) - pd.Timestamp(0)).days
    acquired = last - people["followed_days"].to_numpy(dtype=np.int64)
    invited = sent["invited_day"].to_numpy(dtype=np.int64)
    accepted = sent["status"].isin(REFERRED)
    invitations = pd.DataFrame(
        {
            "referrer": referrer,
            "age_days": invited - acquired[referrer],
            "waited_days": last - invited,
            "response_days": sent["response_days"].astype(float).where(accepted).to_numpy(),
        }
    )
    invitations = invitations[(referrer >= 0) & (invitations["age_days"] >= 0)].reset_index(drop=True)
    people["generation"], people["family"] = _generations(len(people), links)
    statuses = judged["status"].value_counts().reindex(STATUSES, fill_value=0)
    return ReferralBase(people, links, invitations, statuses)


def _generations(number: int, links: pd.DataFrame) -> tuple[Any, np.ndarray]:
    """Generation and first of the line of each customer; in a loop the generation is missing.

    Loops take customers who are all of one day; who was referred out of a loop is in it too.
    """
    import pandas as pd

    parent = np.full(number, -1)
    parent[links["customer"]] = links["referrer"]
    depth, ahead = (parent >= 0).astype(np.int64), np.where(parent >= 0, parent, np.arange(number))
    for _ in range(int(number).bit_length()):  # each pass looks twice as far up the line
        depth = depth + depth[ahead]
        ahead = ahead[ahead]
    looped = parent[ahead] >= 0
    generation = pd.array(depth, dtype="Int64")
    generation[looped] = pd.NA
    return generation, np.where(looped, np.arange(number), ahead)


def require_days(base: ReferralBase, days: int, name: str = "days") -> int:
    """Refuse a window that is no whole number of days, or longer than anybody has been followed.

    Raises
    ------
    ParameterError
        No whole number from 1 on.
    DataError
        The data are too short for the window.
    """
    if isinstance(days, bool) or not hasattr(days, "__index__") or days < 1:
        raise ParameterError(f"{name} is {days!r}; give a whole number of days from 1 on")
    most = int(base.followed.max())
    if days > most:
        raise DataError(f"{name} is {days}, but nobody has been a customer for longer than {most} days; give less")
    return int(days)
