"""The models behind a valuation, fitted to the same customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmlib.columns import column_names, number_table, require_unique
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults, TransactionResults

#: Models of repeat purchases by name.
NAMES = ("BG/NBD", "MBG/NBD", "Pareto/NBD", "BG/BB")


@dataclass(frozen=True, eq=False)
class CustomerModels:
    """Fitted models and the customers they were fitted to.

    Attributes
    ----------
    history : pandas.DataFrame
        The customers, those left out gone.
    purchases : mapping of name to TransactionResults
    spend : GammaGammaResults
    left_out : int
        Customers whose repeat purchases brought in nothing on balance.
    """

    history: pd.DataFrame
    purchases: Mapping[str, TransactionResults]
    spend: GammaGammaResults
    left_out: int

    def estimates(self, level: float = 0.95) -> pd.DataFrame:
        """Array: parameters of all models; model, parameter, estimate, low, high."""
        import pandas as pd

        fits = {**self.purchases, "gamma-gamma": self.spend}
        tables = [
            fit.conf_int(level=level).assign(model=name, estimate=fit.params).rename_axis("parameter").reset_index()
            for name, fit in fits.items()
        ]
        return pd.concat(tables, ignore_index=True)[["model", "parameter", "estimate", "low", "high"]]


def customer_models(history: Any, models: Sequence[str] = ("BG/NBD",)) -> CustomerModels:
    """Array: models of repeat purchases and of order values, fitted to customers' histories.

    Customers whose repeat purchases brought in nothing on balance (free orders, returns) are left out of all of
    them, because their orders have no value to expect.

    Parameters
    ----------
    history : frame
        frequency, recency, age, monetary_value, as `rfm.purchase_history` gives them; further columns are kept, and
        rows sorted by customer_id where there is one.
    models : sequence of {"BG/NBD", "MBG/NBD", "Pareto/NBD", "BG/BB"}
        Models of repeat purchases; BG/BB takes a history of opportunities, `rfm.opportunity_history`.

    Raises
    ------
    DataError, ConvergenceError
        As the models raise them.
    MissingColumnsError, ParameterError
    """
    from crmlib.models import BetaGeoBetaBinomial, BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD

    kinds: dict[str, Any] = dict(
        zip(NAMES, (BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, BetaGeoBetaBinomial), strict=True)
    )
    if unknown := [name for name in models if name not in kinds]:
        raise ParameterError(f"model {unknown[0]!r} is unknown; use one of {', '.join(NAMES)}")
    columns = ("frequency", "recency", "age", "monetary_value")
    names = column_names(history, table="history")
    table = number_table(history, columns, table="history", others=names)[names]
    if "customer_id" in table:  # lazy frames carry no row order
        require_unique(table["customer_id"], table="history")
        table = table.sort_values("customer_id", kind="stable")
    kept = table[~((table["frequency"] > 0) & (table["monetary_value"] <= 0))].reset_index(drop=True)
    past = [kept[name] for name in columns[:3]]
    again = kept[kept["frequency"] > 0]
    return CustomerModels(
        kept,
        {name: kinds[name](*past).fit() for name in models},
        GammaGamma(again["frequency"], again["monetary_value"]).fit(),
        len(table) - len(kept),
    )
