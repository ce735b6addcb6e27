r"""An experiment on the simulated firm: a channel is held out, by lot, from some of its prospects or regions.

Whoever is held out lives in the firm without the channel, the others in the firm as it is: the same
intent, noise and uniform numbers, so that the increment of `channel_increments` is what the experiment
estimates. Regions are drawn for the experiment alone. Region g has the weight :math:`s_g` and the mean
intent :math:`m_g`; a prospect of intent x lives there with a probability in proportion to
:math:`s_g e^{m_g x - m_g^2 / 2}`, which leaves intents as they are and makes regions differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.acquisition import CHANNELS, Prospects, prospects
from crmlib.data.synthetic.parameters import stream
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.data.synthetic.truth import Truth

_SPREAD = 0.15  # standard deviation of the regions' mean intents
_EVENNESS = 4.0  # shape of the gamma distribution of their sizes
_BLOCK = 1 << 16


def channel_holdout(
    truth: Truth, channel: str, *, share: float = 0.5, regions: int = 0, rng: np.random.Generator | None = None
) -> pd.DataFrame:
    """Prospects of an experiment in which one channel is held out at random.

    Parameters
    ----------
    truth : Truth
    channel : str
        One that the firm uses, but direct.
    share : float
        Part of the prospects (or regions) held out, above 0 and below 1; at least one on either side.
    regions : int
        How many regions there are, each held out as a whole or not; 0: prospects are drawn one by one.
    rng : numpy.random.Generator, optional
        Draws another lot; default: the firm's own stream for it, the same at each call.

    Returns
    -------
    pandas.DataFrame, one row a prospect
        journey_id (as in touches), held_out (bool), conversions (0 or 1) and, with regions, region.

    Raises
    ------
    ParameterError
        A channel that cannot be held out, no share, one region, or more regions than prospects.
    """
    import pandas as pd

    known = truth.parameters
    _check(truth, channel, share, regions)
    people = prospects(known, truth.entropy)
    number = len(people.decided)
    rng = stream(truth.entropy, "holdouts") if rng is None else rng
    _, converts = people.without(known.channels_off)
    _, without = people.without((*known.channels_off, channel))
    table: dict[str, Any] = {"journey_id": np.arange(1, number + 1)}
    units = regions or number
    lot = np.zeros(units, dtype=bool)
    lot[rng.permutation(units)[: int(np.clip(round(share * units), 1, units - 1))]] = True
    if regions:
        home = _homes(people, regions, rng)
        width = len(str(regions))
        names = np.array([f"region {place:0{width}d}" for place in range(1, regions + 1)])
        table["region"] = pd.array(names[home], dtype="str")
        lot = lot[home]
    conversions = np.where(lot, without, converts).astype(np.int64)
    return pd.DataFrame(table | {"held_out": lot, "conversions": conversions})


def _homes(people: Prospects, regions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Region of each prospect."""
    size, mean = rng.gamma(_EVENNESS, size=regions), _SPREAD * rng.standard_normal(regions)
    base = np.log(size) - mean**2 / 2
    luck = rng.random(len(people.intent))
    home = np.empty(len(luck), dtype=np.int64)
    for start in range(0, len(luck), _BLOCK):
        part = slice(start, start + _BLOCK)
        weight = np.exp(base + mean * people.intent[part, None]).cumsum(axis=1)
        home[part] = (luck[part, None] * weight[:, -1:] > weight).sum(axis=1)
    return home


def _check(truth: Truth, channel: str, share: float, regions: int) -> None:
    known = truth.parameters
    usable = [one.name for one in CHANNELS if one.name not in ("direct", *known.channels_off)]
    if channel not in usable:
        raise ParameterError(f"channel {channel!r} cannot be held out; give one of {', '.join(usable)}")
    if not 0 < share < 1:
        raise ParameterError(f"share is {share!r}; give the part to hold out, above 0 and below 1")
    whole = isinstance(regions, (int, np.integer)) and not isinstance(regions, bool)
    if not whole or regions < 0 or regions == 1 or regions > known.customers:
        raise ParameterError(f"regions is {regions!r}; give 0 (prospects by lot), or 2 to {known.customers} regions")
