"""Two models of a filter's sites compared: palindromic sites, or one motif read on both strands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from rcviz.sequences.alphabet import one_hot

FEWEST_SITES = 25
_FOLDS = 5
_MOST_ROUNDS = 200
_TOLERANCE = 1e-3
_PSEUDOCOUNT = 1.0


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
        Bits per site by which the two-strand model predicts held-out sites better than the background.
    gain : float
        Bits per site by which it predicts them better than the self-complementary model.
    """

    motif: Float[np.ndarray, "4 L"]
    forward: Float[np.ndarray, " n"]
    information: float
    gain: float

    @property
    def loss(self) -> float:
        """Share of the sites' information that a self-complementary PWM loses; NaN when they hold none."""
        return self.gain / self.information if self.information > 0 else float("nan")

    @property
    def strand_information(self) -> float:
        """Bits of information that a site holds about its strand under the two-strand model, from 0 to 1."""
        p = np.stack([self.forward, 1 - self.forward])
        entropy = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=0)
        return float(1 - entropy.mean())


def compare_site_models(
    codes: UInt8[np.ndarray, "n L"], *, background: Any = (0.25,) * 4, seed: int | np.integer = 0
) -> SitePalindromes:
    """Compare one self-complementary PWM with one PWM read on both strands, by held-out likelihood.

    Under the first, every site is drawn from a PWM that equals its own reverse complement. Under the second, every
    site is drawn from a free PWM and read on either strand with probability 1/2; the strand is not known and is
    inferred by expectation maximisation. Both give a site and its reverse complement the same likelihood, so that the
    orientation of the sites does not matter. Five-fold cross-validation keeps the twice as many parameters of the
    second from being an advantage.

    Parameters
    ----------
    codes : uint8 array (n, L)
        Sites, centred: column ``i`` pairs with ``L - 1 - i``. An unknown base has no information.
    background : (4,)
        Base composition outside sites, the same on both strands.
    seed : int
        Seed of the folds and of two of the four starting points.

    Raises
    ------
    ValueError
        If there are fewer than 25 sites.
    """
    if len(codes) < FEWEST_SITES:
        raise ValueError(f"got {len(codes)} sites, but the comparison needs {FEWEST_SITES}; search more sequences")
    rng = np.random.default_rng(seed)
    x = one_hot(codes, dtype="float64").reshape(len(codes), -1)
    # In a row of flattened (4, L) columns, the reverse complement of a site is the row backwards.
    y = np.ascontiguousarray(x[:, ::-1])
    starts = _starts(x, y, rng)
    fold = rng.permutation(len(x)) % _FOLDS
    log_two, log_self = np.empty(len(x)), np.empty(len(x))
    for held_out in range(_FOLDS):
        test, train = fold == held_out, fold != held_out
        pwm, _ = _two_strand_model(x[train], y[train], starts[train])
        log_two[test] = _log_mean(x[test] @ pwm, y[test] @ pwm)
        log_self[test] = x[test] @ _log_pwm((x[train] + y[train]).sum(axis=0) / 2)
    log_background = x @ np.repeat(np.log(background), codes.shape[1])
    pwm, forward = _two_strand_model(x, y, starts)
    if forward.mean() < 0.5:
        # Both orientations fit equally well; the strand that most sites show is drawn.
        pwm, forward = pwm[::-1], 1 - forward
    return SitePalindromes(
        motif=np.exp(pwm).reshape(4, -1),
        forward=forward,
        information=float((log_two - log_background).mean() / np.log(2)),
        gain=float((log_two - log_self).mean() / np.log(2)),
    )


def _starts(
    x: Float[np.ndarray, "n D"], y: Float[np.ndarray, "n D"], rng: np.random.Generator
) -> Float[np.ndarray, "n starts"]:
    """Starting points for the strands: all forward, the leading axis of the strand differences, and two at random."""
    turning = x - y
    axis = np.linalg.eigh(turning.T @ turning)[1][:, -1]
    leading = 1 / (1 + np.exp(-4 * (turning @ axis)))
    return np.column_stack([np.full(len(x), 0.9), leading, rng.random((len(x), 2))])


def _two_strand_model(
    x: Float[np.ndarray, "n D"], y: Float[np.ndarray, "n D"], forward: Float[np.ndarray, "n starts"]
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " n"]]:
    """Log PWM and strand probabilities at the best optimum that expectation maximisation finds from the starts."""
    for _ in range(_MOST_ROUNDS):
        log_pwm = _log_pwm(x.T @ forward + y.T @ (1 - forward))
        before = forward
        forward = 1 / (1 + np.exp(np.clip((y - x) @ log_pwm, -700, 700)))
        if np.abs(forward - before).max() < _TOLERANCE:
            break
    best = _log_mean(x @ log_pwm, y @ log_pwm).sum(axis=0).argmax()
    return log_pwm[:, best], forward[:, best]


def _log_pwm(counts: Float[np.ndarray, "*D"]) -> Float[np.ndarray, "*D"]:
    """Log probabilities of flattened (4, L) counts, with a pseudocount of 1/4 for every base."""
    columns = counts.reshape(4, -1, *counts.shape[1:])
    smoothed = columns + _PSEUDOCOUNT / 4
    return np.log(smoothed / smoothed.sum(axis=0)).reshape(counts.shape)


def _log_mean(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.logaddexp(a, b) - np.log(2)
