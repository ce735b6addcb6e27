"""Share of wallet: how much of what customers spend on a category a brand gets, and how much its size implies.

A brand's loyalty is mostly its size: small brands have fewer buyers who also buy less often (double jeopardy).
`brand_measures` shows what a panel holds, `models.Dirichlet` what it should hold if nothing but size mattered;
only the distance between the two is a brand's own doing.

References
----------
Goodhardt, G. J., Ehrenberg, A. S. C., & Chatfield, C. (1984), The Dirichlet, JRSS A 147, 621-655.
Ehrenberg, A. S. C., Goodhardt, G. J., & Barwise, T. P. (1990), Double jeopardy revisited, Journal of
    Marketing 54(3), 82-91.
Keiningham, T. L., Aksoy, L., Buoye, A., & Cooil, B. (2011), Customer loyalty isn't enough: grow your share of
    wallet, Harvard Business Review 89(10), 29-31.
"""

from crmlib.wallet import conclusions
from crmlib.wallet.measures import brand_measures, double_jeopardy, repeat_shares
from crmlib.wallet.predictions import against_size, loyal_brand, predicted_measures, simulated_purchases
from crmlib.wallet.purchases import OTHER, brand_matrix, brand_purchases, panel_purchases, share_of_wallet
from crmlib.wallet.ranks import wallet_allocation
from crmlib.wallet.windows import brand_of, category_matrix, next_period, window_sweep

__all__ = [
    "OTHER",
    "against_size",
    "brand_matrix",
    "brand_measures",
    "brand_of",
    "brand_purchases",
    "category_matrix",
    "conclusions",
    "double_jeopardy",
    "loyal_brand",
    "next_period",
    "panel_purchases",
    "predicted_measures",
    "repeat_shares",
    "share_of_wallet",
    "simulated_purchases",
    "wallet_allocation",
    "window_sweep",
]
