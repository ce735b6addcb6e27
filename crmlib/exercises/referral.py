"""Expected answers to the exercises of notebook 20, by another route than the lesson's.

They join and count rows with pandas instead of `crmlib.referral`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas

if TYPE_CHECKING:
    import pandas as pd


@exercise(
    "20.1",
    question="How many customers has one brought within 90 days, of those who have had 90 days?",
    unit="customers",
    praise="dropping the young costs data, counting them costs truth; weighting by age keeps both.",
)
def complete_mean(referrals: Any, customers: Any, last_day: str) -> float:
    """Customers brought within 90 days over the customers acquired at least 90 days before the last day."""
    import pandas as pd

    people, links = _links(referrals, customers, last_day)
    old = people[(pd.Timestamp(last_day) - people).dt.days >= 90].index
    early = links[((links["joined"] - links["start"]).dt.days <= 90) & links["referrer_id"].isin(old)]
    return len(early) / len(old)


@exercise(
    "20.2",
    question="What share of the customers who were brought by a customer were brought by one who was brought too?",
    unit="share",
    praise="these are the second generation and later: without them R would only add once.",
)
def later_generations(referrals: Any, customers: Any, last_day: str) -> float:
    """Links whose referrer is the customer of another link."""
    _, links = _links(referrals, customers, last_day)
    return float(links["referrer_id"].isin(links["customer_id"]).mean())


@exercise(
    "20.3",
    question="What may a reward cost for each customer brought, if four in five of them would have come without it?",
    unit="money",
    praise="a fifth of the margin: what the others bring would have been yours for nothing.",
)
def cautious_reward(valued: Any) -> float:
    """A fifth of the mean margin of those brought by a customer."""
    brought = [margin for margin, referrer in zip(valued["margin"], valued["referrer"], strict=True) if referrer >= 0]
    return 0.2 * sum(brought) / len(brought)


def _links(referrals: Any, customers: Any, last_day: str) -> tuple[pd.Series, pd.DataFrame]:
    """Day of acquisition by customer, and one row a customer brought by another, up to the last day."""
    import pandas as pd

    people = to_pandas(customers).dropna(subset="acquired_at").set_index("customer_id")["acquired_at"].dt.normalize()
    people = people[people <= pd.Timestamp(last_day)]
    table = to_pandas(referrals).dropna(subset=["customer_id", "referrer_id", "invited_at"])
    table = table[(table["customer_id"] != table["referrer_id"]) & table["customer_id"].isin(people.index)]
    table = table.assign(joined=table["customer_id"].map(people), start=table["referrer_id"].map(people))
    table = table[table["invited_at"].dt.normalize() <= table["joined"]]
    table = table.sort_values(["invited_at", "referral_id"]).drop_duplicates("customer_id")
    return people, table[table["start"] <= table["joined"]]
