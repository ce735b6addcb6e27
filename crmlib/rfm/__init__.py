"""Recency, frequency, monetary value: whom to select, and how far a score tells.

`customer_summary` puts each customer's orders into a row, `rfm_scores` ranks it, `segments` names it. How customers
move between segments, and what one is worth in the long run, is a Markov chain. Whether a score tells who will buy
is a question for what comes after: `rule_comparison`. `look_alikes` carries it over to who has not ordered yet.

Two recencies must not be mixed up: in the lifetime-value models *recency* is the time from the first to
the last purchase (`purchase_history`); in marketing it is the time since the last one, here
`days_since_last_order` (`customer_summary`).
"""

from crmlib.rfm import conclusions
from crmlib.rfm.chain import ChainForecast, chain_forecast, chain_value, expected_standing, segment_value
from crmlib.rfm.future import FutureSpend, future_spend, still_customer
from crmlib.rfm.history import holdout_history, purchase_history
from crmlib.rfm.holdout import scored_holdout
from crmlib.rfm.isovalue import iso_value
from crmlib.rfm.lookalikes import LookAlikes, best_customers, held_out_probabilities, look_alikes, ranking_quality
from crmlib.rfm.migration import SILENT, migration_matrix, segment_moves
from crmlib.rfm.naming import SEGMENTS, segment_grid, segments
from crmlib.rfm.opportunities import opportunity_history
from crmlib.rfm.selection import captured_share, gains_curve, lift_table, rule_comparison, simple_rules
from crmlib.rfm.summary import SCORES, customer_summary, rfm_scores, score_cuts
from crmlib.rfm.truth import true_future_spend

__all__ = [
    "SCORES",
    "SEGMENTS",
    "SILENT",
    "ChainForecast",
    "FutureSpend",
    "LookAlikes",
    "best_customers",
    "captured_share",
    "chain_forecast",
    "chain_value",
    "conclusions",
    "customer_summary",
    "expected_standing",
    "future_spend",
    "gains_curve",
    "held_out_probabilities",
    "holdout_history",
    "iso_value",
    "lift_table",
    "look_alikes",
    "migration_matrix",
    "opportunity_history",
    "purchase_history",
    "ranking_quality",
    "rfm_scores",
    "rule_comparison",
    "score_cuts",
    "scored_holdout",
    "segment_grid",
    "segment_moves",
    "segment_value",
    "segments",
    "simple_rules",
    "still_customer",
    "true_future_spend",
]
