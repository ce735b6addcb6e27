"""Rewards: whether points move purchases, whether they pay, and whether a programme locks customers in.

Every comparison here has a naive twin that errs the same way: it takes for the programme's doing who its
members are, when their cards filled, and that they had to stay to join.

References
----------
Kivetz, R., Urminsky, O., & Zheng, Y. (2006), The goal-gradient hypothesis resurrected, Journal of Marketing
    Research 43, 39-58.
Hartmann, W. R., & Viard, V. B. (2008), Do frequency reward programs create switching costs? A dynamic structural
    analysis of demand in a reward program, Quantitative Marketing and Economics 6, 109-137.
Hernán, M. A., Sauer, B. C., Hernández-Díaz, S., Platt, R., & Shrier, I. (2016), Specifying a target trial prevents
    immortal time bias and other self-inflicted injuries in observational analyses, Journal of Clinical Epidemiology
    79, 70-75.
"""

from crmlib.rewards import conclusions
from crmlib.rewards.cards import card_progress, simulated_cards
from crmlib.rewards.constant_rate import constant_rate_pressure
from crmlib.rewards.defection import Defection, defection, true_defection
from crmlib.rewards.departures import Departures, simulated_departures
from crmlib.rewards.known import cardless_pressure, hidden_reasons
from crmlib.rewards.lapses import lapse_trials, lapsed_to_date
from crmlib.rewards.pressure import PointsPressure, card_return, points_pressure
from crmlib.rewards.switching import brand_purchases, lock_in, switching_matrix

__all__ = [
    "Defection",
    "Departures",
    "PointsPressure",
    "brand_purchases",
    "card_progress",
    "card_return",
    "cardless_pressure",
    "conclusions",
    "constant_rate_pressure",
    "defection",
    "hidden_reasons",
    "lapse_trials",
    "lapsed_to_date",
    "lock_in",
    "points_pressure",
    "simulated_cards",
    "simulated_departures",
    "switching_matrix",
    "true_defection",
]
