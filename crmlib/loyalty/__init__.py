"""Loyalty: how concentrated buying is, how much of that is chance, and what a programme adds.

Concentration depends on the length of the window, on whether those who bought nothing are counted,
and on whether orders or money are: every share here names all three. What a loyalty programme causes
is measured against the members' own past and the customers who never joined, because those who join
were heavy buyers before.

References
----------
Lorenz, M. O. (1905), Methods of measuring the concentration of wealth, Publications of the American
    Statistical Association 9, 209-219.
Schmittlein, D. C., Cooper, L. G., & Morrison, D. G. (1993), Truth in concentration in the land of (80/20)
    laws, Marketing Science 12, 167-183.
Sun, L., & Abraham, S. (2021), Estimating dynamic treatment effects in event studies with heterogeneous
    treatment effects, Journal of Econometrics 225, 175-199.
"""

from crmlib.loyalty import conclusions
from crmlib.loyalty.chance import chance_correction
from crmlib.loyalty.concentration import concentration, gini, lorenz_curve, top_share
from crmlib.loyalty.lengths import chance_by_window, share_by_window
from crmlib.loyalty.matching import adjusted_comparisons, covariate_balance
from crmlib.loyalty.moderation import buyer_moderation, heavy_buyer_stability
from crmlib.loyalty.panels import membership_panel, panel_start
from crmlib.loyalty.programme import ProgrammeEffect, programme_comparisons, programme_effect
from crmlib.loyalty.returns import programme_return, source_return
from crmlib.loyalty.tables import window_totals
from crmlib.loyalty.truth import NEEDED, assumption_sweep, programme_panel, true_effect

__all__ = [
    "NEEDED",
    "ProgrammeEffect",
    "adjusted_comparisons",
    "assumption_sweep",
    "buyer_moderation",
    "chance_by_window",
    "chance_correction",
    "concentration",
    "conclusions",
    "covariate_balance",
    "gini",
    "heavy_buyer_stability",
    "lorenz_curve",
    "membership_panel",
    "panel_start",
    "programme_comparisons",
    "programme_effect",
    "programme_panel",
    "programme_return",
    "share_by_window",
    "source_return",
    "top_share",
    "true_effect",
    "window_totals",
]
