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

from crmlib.attribution.estimates import credits, removal_effects, transition_matrix
from crmlib.attribution.events import from_paths, journeys
from crmlib.attribution.positional import Rule
from crmlib.attribution.rules import (
    first_touch,
    last_non_direct,
    last_touch,
    linear,
    markov,
    position_based,
    shapley,
    time_decay,
)
from crmlib.attribution.sample import CreditSample, credit_intervals, credit_sample, paired_comparison

__all__ = [
    "CreditSample",
    "Rule",
    "credit_intervals",
    "credit_sample",
    "credits",
    "first_touch",
    "from_paths",
    "journeys",
    "last_non_direct",
    "last_touch",
    "linear",
    "markov",
    "paired_comparison",
    "position_based",
    "removal_effects",
    "shapley",
    "time_decay",
    "transition_matrix",
]
