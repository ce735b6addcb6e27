"""Income statement of groups of customers, from their margins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def income_statement(margin: pd.DataFrame, groups: np.ndarray | pd.Series) -> pd.DataFrame:
    """Array: the lines from sales at list price to the fully loaded margin, added up by group of customers.

    sales at list price − discounts − refunds = revenue; − goods = gross margin; − avoidable cost, activity by
    activity = contribution; − allocated cost = full margin. Each column adds up, and the groups to `all`.

    Parameters
    ----------
    margin : pandas.DataFrame
        As `customer_margin` gives it.
    groups : array-like, one a row
        Name of each customer's group; their own id gives a statement a customer.

    Returns
    -------
    pandas.DataFrame, one row a line of the statement
        Indexed by its name, costs negative; a column a group, and `all`. The first row is the number of customers.

        No customers: the column `all` alone, of zeros.

    Raises
    ------
    DataError
        A margin is missing.
    """
    import numpy as np
    import pandas as pd

    require_margins(margin["contribution"])
    avoidable, allocated = (
        [name for name in margin.columns if name.startswith(start) and name != f"{start}cost"]
        for start in ("avoidable_", "allocated_")
    )
    sales = [name for name in ("list_revenue", "discounts", "refunds") if name in margin.columns]
    lines = [*sales, "revenue", "goods_cost", "gross_margin", *avoidable, "contribution", *allocated, "full_margin"]
    table = margin[lines].assign(customers=1)[["customers", *lines]]
    spent = [*sales[1:], "goods_cost", *avoidable, *allocated]
    table[spent] = 0 - table[spent]
    sums = table.groupby(np.asarray(groups), sort=False).sum().T
    return pd.concat([sums, table.sum().rename("all")], axis=1).rename_axis("line")


def per_hundred(statement: pd.DataFrame) -> pd.DataFrame:
    """Array: the statement's margins and service costs as a part of 100 of each group's revenue.

    Parameters
    ----------
    statement : pandas.DataFrame
        As `income_statement` gives it.

    Returns
    -------
    pandas.DataFrame
        The rows of gross_margin, each activity's cost (negative) and full_margin, a column a group; NaN for a group
        whose revenue is not above 0.
    """
    revenue: pd.Series = statement.T["revenue"]
    dropped = ["customers", "list_revenue", "discounts", "refunds", "revenue", "goods_cost", "contribution"]
    lines = statement.drop(index=dropped, errors="ignore")
    lines = lines[~(lines == 0).all(axis=1)]
    return 100 * lines / revenue.where(revenue > 0)
