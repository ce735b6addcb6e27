"""Distributions of customer behaviour, one a file: data in, estimates with intervals out.

A model takes counts or histories as arrays and `fit()` gives results with `params`, `bse`, `llf`,
`conf_int()` and `summary()`, on the natural scale.

repeat purchases, any time    BetaGeoNBD  ModifiedBetaGeoNBD  ParetoNBD
at given opportunities        BetaGeoBetaBinomial
nobody leaves                 NBD
spend an order                GammaGamma
renewals of a contract        ShiftedBetaGeometric  BetaDiscreteWeibull
brands of a category          Dirichlet
"""

from crmlib.models.beta_binomial import BetaGeoBetaBinomial, BetaGeoBetaBinomialResults
from crmlib.models.beta_discrete_weibull import BetaDiscreteWeibull
from crmlib.models.beta_geo import BetaGeoNBD
from crmlib.models.dirichlet import Dirichlet, DirichletResults
from crmlib.models.gamma_gamma import GammaGamma, GammaGammaResults
from crmlib.models.market import DirichletMarket, dirichlet_from_measures
from crmlib.models.modified_beta_geo import ModifiedBetaGeoNBD
from crmlib.models.nbd import NBD, NBDResults
from crmlib.models.pareto_nbd import ParetoNBD
from crmlib.models.predictions import TransactionResults
from crmlib.models.renewals import ContractResults
from crmlib.models.shifted_beta_geometric import ShiftedBetaGeometric
from crmlib.models.top_shares import gamma_top_share, nbd_top_share

__all__ = [
    "NBD",
    "BetaDiscreteWeibull",
    "BetaGeoBetaBinomial",
    "BetaGeoBetaBinomialResults",
    "BetaGeoNBD",
    "ContractResults",
    "Dirichlet",
    "DirichletMarket",
    "DirichletResults",
    "GammaGamma",
    "GammaGammaResults",
    "ModifiedBetaGeoNBD",
    "NBDResults",
    "ParetoNBD",
    "ShiftedBetaGeometric",
    "TransactionResults",
    "dirichlet_from_measures",
    "gamma_top_share",
    "nbd_top_share",
]
