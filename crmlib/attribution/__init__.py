"""Which channel brought the customer? Credit for conversions, by rule and by model.

A journey is the sequence of a customer's touches with marketing channels; it ends in a conversion
or in none. A rule divides every conversion among the channels of its journeys. Rules differ, and
none of them knows what would have happened without a channel: credit is a convention, and only an
experiment, or a simulated firm, has the truth.

References
----------
Anderl, E., Becker, I., von Wangenheim, F., & Schumann, J. H. (2016), Mapping the customer journey:
    lessons learned from graph-based online attribution modeling, IJRM 33, 457-474.
Zhao, K., Mahboobi, S. H., & Bagheri, S. R. (2018), Shapley value methods for attribution modeling in
    online advertising, arXiv:1804.05327.
Efron, B. (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26.
"""

from crmlib.attribution import conclusions
from crmlib.attribution.aggregated import from_paths
from crmlib.attribution.comparison import paired_comparison, ranking
from crmlib.attribution.estimates import credits, credits_by_rule, share_table
from crmlib.attribution.events import journeys, journeys_until
from crmlib.attribution.exploration import conversion_times, frequent_paths, path_lengths
from crmlib.attribution.game import ordered_shapley
from crmlib.attribution.hazard import touch_effects
from crmlib.attribution.holdout import holdout_effect, reconciliation, regional_holdout_effect
from crmlib.attribution.money import acquisition_costs, channel_costs, costs_by_rule, has_costs
from crmlib.attribution.order import order_choice
from crmlib.attribution.positional import Rule
from crmlib.attribution.removal import removal_effects, transition_matrix
from crmlib.attribution.rules import (
    first_touch,
    last_non_direct,
    last_touch,
    linear,
    markov,
    person_period,
    position_based,
    selected_markov,
    shapley,
    standard_rules,
    time_decay,
)
from crmlib.attribution.sample import CreditSample, credit_intervals, credit_sample
from crmlib.attribution.truth import misplaced_budget, rule_bias, true_acquisition_costs

__all__ = [
    "CreditSample",
    "Rule",
    "acquisition_costs",
    "channel_costs",
    "conclusions",
    "conversion_times",
    "costs_by_rule",
    "credit_intervals",
    "credit_sample",
    "credits",
    "credits_by_rule",
    "first_touch",
    "frequent_paths",
    "from_paths",
    "has_costs",
    "holdout_effect",
    "journeys",
    "journeys_until",
    "last_non_direct",
    "last_touch",
    "linear",
    "markov",
    "misplaced_budget",
    "order_choice",
    "ordered_shapley",
    "paired_comparison",
    "path_lengths",
    "person_period",
    "position_based",
    "ranking",
    "reconciliation",
    "regional_holdout_effect",
    "removal_effects",
    "rule_bias",
    "selected_markov",
    "shapley",
    "share_table",
    "standard_rules",
    "time_decay",
    "touch_effects",
    "transition_matrix",
    "true_acquisition_costs",
]
