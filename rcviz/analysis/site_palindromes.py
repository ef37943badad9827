"""Two models of a filter's sites compared: palindromic sites, or one motif read on both strands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from rcviz.models.threads import Threads
from rcviz.sequences.alphabet import one_hot

FEWEST_SITES = 25
LEAST_INFORMATION_TO_LOSE = 0.5
"""Least bits per site of which a share can be lost: of less, the share is noise divided by nearly nothing."""

_FOLDS = 5
_MOST_ROUNDS = 200
_TOLERANCE = 1e-3
_PSEUDOCOUNT = 1.0
_RESAMPLES = 400
_LEAST_G = 21.0  # p = 0.0001 with three degrees of freedom
_INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class SitePalindromes:
    """Comparison of a self-complementary PWM with one PWM read on both strands.

    Attributes
    ----------
    motif : ndarray (4, L)
        PWM of the two-strand model, on the strand that most sites show.
    forward : ndarray (n,)
        Probability of each site to show ``motif`` as it is, and not its reverse complement.
    information : float
        Bits per site, of those not there by chance, by which the two-strand model predicts held-out sites better than
        the background, beyond what chance sites explain.
    gain : float
        Bits per site by which it predicts them better than the self-complementary model.
    loss_interval : (float, float)
        90% interval of :attr:`loss`, from resampled sites; NaN where they hold, or may hold, too little information.
    evidence : float
        Bits, over all sites, by which the two-strand model predicts them better than the self-complementary one.
    """

    motif: Float[np.ndarray, "4 L"]
    forward: Float[np.ndarray, " n"]
    information: float
    gain: float
    loss_interval: tuple[float, float] = (float("nan"), float("nan"))
    evidence: float = float("nan")

    @property
    def loss(self) -> float:
        """Share of the sites' information that a self-complementary PWM loses; NaN when it is below half a bit."""
        return self.gain / self.information if self.information >= LEAST_INFORMATION_TO_LOSE else float("nan")

    @property
    def strand_information(self) -> float:
        """Bits of information that a site holds about its strand under the two-strand model, from 0 to 1."""
        p = np.stack([self.forward, 1 - self.forward])
        entropy = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=0)
        return float(1 - entropy.mean())


def compare_site_models(
    codes: UInt8[np.ndarray, "n L"],
    *,
    background: Any = (0.25,) * 4,
    certainty: Any = 1.0,
    chance: UInt8[np.ndarray, "m L"] | None = None,
    seed: int | np.integer = 0,
) -> SitePalindromes:
    """Compare one self-complementary PWM with one PWM read on both strands, by held-out likelihood.

    Under the first, every site is drawn from a PWM that equals its own reverse complement. Under the second, every
    site is drawn from a free PWM and read on either strand with probability 1/2; the strand is not known and is
    inferred by expectation maximisation. Both give a site and its reverse complement the same likelihood, so that the
    orientation of the sites does not matter. Five-fold cross-validation keeps the twice as many parameters of the
    second from being an advantage, but columns without a motif, such as those of a wide filter around a short one,
    would make them a disadvantage: only columns are compared whose letters, on both strands together, differ from the
    background.

    Sites that are there by chance look like the filter, and not like the motif. With a ``certainty`` below one, a site
    is drawn from the PWM of ``chance`` with the remaining probability, under either model.

    Parameters
    ----------
    codes : uint8 array (n, L)
        Sites, centred: column ``i`` pairs with ``L - 1 - i``. An unknown base has no information.
    background : (4,)
        Base composition outside sites, the same on both strands.
    certainty : float or array (n,)
        Probability of each site not to be there by chance.
    chance : uint8 array (m, L)
        Sites that are there by chance; needed where a certainty is below one.
    seed : int
        Seed of the folds, of two of the four starting points, and of the resampling behind the interval.

    Raises
    ------
    ValueError
        If there are fewer than 25 sites.
    """
    if len(codes) < FEWEST_SITES:
        raise ValueError(f"got {len(codes)} sites, but the comparison needs {FEWEST_SITES}; search more sequences")
    rng = np.random.default_rng(seed)
    certainty = np.broadcast_to(np.asarray(certainty, dtype=np.float64), len(codes))
    kept = _informative(codes, certainty, np.asarray(background, dtype=np.float64))
    whole = _Sites.encoded(codes, certainty, chance)
    sites = _Sites.encoded(codes[:, kept], certainty, None if chance is None else chance[:, kept])
    starts = _starts(sites.x, sites.y, rng)
    fold = rng.permutation(len(codes)) % _FOLDS
    log_two, log_self = np.empty(len(codes)), np.empty(len(codes))
    for held_out in range(_FOLDS):
        test, train = fold == held_out, fold != held_out
        pwm, *_ = _two_strand_model(sites.subset(train), starts[train])
        log_two[test] = sites.subset(test).mixed(_log_mean(sites.x[test] @ pwm, sites.y[test] @ pwm))
        pwm = _self_complementary_model(sites.subset(train))
        log_self[test] = sites.subset(test).mixed(sites.x[test] @ pwm)
    log_background = sites.mixed(sites.x @ np.repeat(np.log(background), kept.sum()))
    pwm, forward, weight = _two_strand_model(whole, _starts(whole.x, whole.y, rng))
    if np.average(forward, weights=weight) < 0.5:
        # Both orientations fit equally well; the strand that most sites show is drawn.
        pwm, forward = pwm[::-1], 1 - forward
    bits = np.stack([log_two - log_background, log_two - log_self]) / np.log(2)
    information, gain = (bits.sum(axis=1) / sites.certainty.sum()).tolist()
    interval = _interval_of_ratio(bits[1], bits[0], rng)
    return SitePalindromes(
        motif=np.exp(pwm).reshape(4, -1),
        forward=forward,
        information=information,
        gain=gain,
        loss_interval=interval if information >= LEAST_INFORMATION_TO_LOSE else (float("nan"), float("nan")),
        evidence=float(bits[1].sum()),
    )


def _informative(
    codes: UInt8[np.ndarray, "n L"], certainty: Float[np.ndarray, " n"], background: Float[np.ndarray, " 4"]
) -> Any:
    """Which columns hold letters unlike the background (a G-test), each with its partner's on the other strand."""
    from scipy.special import xlogy  # its import takes longer than an explorer may to show its first logos

    counts = np.tensordot(certainty, one_hot(codes, dtype="float64"), axes=1)
    both = counts + counts[::-1, ::-1]
    expected = background[:, None] * both.sum(axis=0)
    kept = 2 * xlogy(both, both / np.maximum(expected, 1e-300)).sum(axis=0) >= _LEAST_G
    return kept if kept.any() else np.ones_like(kept)


@dataclass(frozen=True)
class _Sites:
    """Sites as flattened (4, L) columns, forward and reversed, with what is known of each before its letters."""

    x: Float[np.ndarray, "n D"]
    y: Float[np.ndarray, "n D"]
    certainty: Float[np.ndarray, " n"]
    log_chance: Float[np.ndarray, " n"]  # of the site and of being there by chance

    @classmethod
    def encoded(cls, codes: UInt8[np.ndarray, "n L"], certainty: Float[np.ndarray, " n"], chance: Any) -> "_Sites":
        x = one_hot(codes, dtype="float64").reshape(len(codes), -1)
        # In a row of flattened (4, L) columns, the reverse complement of a site is the row backwards.
        y = np.ascontiguousarray(x[:, ::-1])
        log_chance = np.full(len(codes), -np.inf)
        if (certainty < 1).any():
            pwm = _log_pwm(one_hot(chance, dtype="float64").reshape(len(chance), -1).sum(axis=0))
            with np.errstate(divide="ignore"):
                log_chance = np.log1p(-certainty) + _log_mean(x @ pwm, y @ pwm)
        return cls(x, y, certainty, log_chance)

    def subset(self, rows: Any) -> "_Sites":
        return _Sites(self.x[rows], self.y[rows], self.certainty[rows], self.log_chance[rows])

    def mixed(self, log_motif: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Log likelihood of each site, given the one under a motif."""
        log_certainty, log_chance = np.log(self.certainty), self.log_chance
        if log_motif.ndim > 1:
            log_certainty, log_chance = log_certainty[:, None], log_chance[:, None]
        return np.logaddexp(log_certainty + log_motif, log_chance)

    def weight(self, log_motif: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Probability of each site to show the motif, given its letters."""
        log_certainty = np.log(self.certainty)
        if log_motif.ndim > 1:
            log_certainty = log_certainty[:, None]
        weight: np.ndarray = np.exp(log_certainty + log_motif - self.mixed(log_motif))
        return weight


def _interval_of_ratio(
    parts: Float[np.ndarray, " n"], wholes: Float[np.ndarray, " n"], rng: np.random.Generator
) -> tuple[float, float]:
    """90% interval of the ratio of two sums over sites, from sites drawn with replacement; NaN without a whole."""
    draws = rng.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=_RESAMPLES).astype(np.float64)
    whole = draws @ wholes
    if (whole <= 0).mean() > _INTERVAL[0]:
        return float("nan"), float("nan")  # the information itself may be none
    low, high = np.quantile((draws @ parts)[whole > 0] / whole[whole > 0], _INTERVAL)
    return float(low), float(high)


def _starts(
    x: Float[np.ndarray, "n D"], y: Float[np.ndarray, "n D"], rng: np.random.Generator
) -> Float[np.ndarray, "n starts"]:
    """Starting points for the strands: all forward, the leading axis of the strand differences, and two at random."""
    turning = x - y
    # The threads of NumPy's linear algebra wait for each other: 0.25 s in place of 1 ms where other processes compute.
    with Threads(1):
        rows = torch.from_numpy(turning)
        axis = torch.linalg.eigh(rows.T @ rows)[1][:, -1].numpy()
    leading = 1 / (1 + np.exp(-4 * (turning @ axis)))
    return np.column_stack([np.full(len(x), 0.9), leading, rng.random((len(x), 2))])


def _two_strand_model(
    sites: _Sites, forward: Float[np.ndarray, "n starts"]
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Log PWM, strand probabilities and weights of sites at the best optimum that expectation maximisation finds."""
    x, y = sites.x, sites.y
    weight = np.repeat(sites.certainty[:, None], forward.shape[1], axis=1)
    for _ in range(_MOST_ROUNDS):
        log_pwm = _log_pwm(x.T @ (weight * forward) + y.T @ (weight * (1 - forward)))
        before = weight * forward
        as_is, turned = x @ log_pwm, y @ log_pwm
        forward = 1 / (1 + np.exp(np.clip(turned - as_is, -700, 700)))
        log_motif = _log_mean(as_is, turned)
        weight = sites.weight(log_motif)
        if np.abs(weight * forward - before).max() < _TOLERANCE:
            break
    best = sites.mixed(log_motif).sum(axis=0).argmax()
    return log_pwm[:, best], forward[:, best], weight[:, best]


def _self_complementary_model(sites: _Sites) -> Float[np.ndarray, " D"]:
    """Log PWM that equals its own reverse complement."""
    both, weight = (sites.x + sites.y) / 2, sites.certainty
    for _ in range(_MOST_ROUNDS):
        log_pwm = _log_pwm(weight @ both)
        before, weight = weight, sites.weight(sites.x @ log_pwm)
        if np.abs(weight - before).max() < _TOLERANCE:
            break
    return log_pwm


def _log_pwm(counts: Float[np.ndarray, "*D"]) -> Float[np.ndarray, "*D"]:
    """Log probabilities of flattened (4, L) counts, with a pseudocount of 1/4 for every base."""
    columns = counts.reshape(4, -1, *counts.shape[1:])
    smoothed = columns + _PSEUDOCOUNT / 4
    return np.log(smoothed / smoothed.sum(axis=0)).reshape(counts.shape)


def _log_mean(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.logaddexp(a, b) - np.log(2)
