"""Which of its candidates carries a child, drawn at random and yet smooth in the odds: Gumbel-softmax.

Candidate i of child j, one of its k nearest particles, has the score

    s_ji = ln w_ji + ln p_i + g_ji,

with w the weight by distance (sampling.py), p the soft surface weight of the particle, and g noise of the standard
Gumbel distribution. The largest score is that of i with probability w_ji p_i / Σ w p. Its relaxation at the temperature
τ, exp(s_ji / τ) / Σ exp(s / τ), is smooth in the scores and comes near to one candidate alone as τ falls (Jang, Gu and
Poole 2017, "Categorical reparameterization with Gumbel-softmax", eq. 1 and 2). The noise is drawn with the layout and
kept with it, so that frames do not flicker. Only the k candidates of each child are looked at: memory goes with M k.
"""

import numpy as np

NOISE = 1
"""Beside the seed of the layout, so that the noise is not made of the layout's random numbers."""


def draw_scores(weights: np.ndarray, surface_weights: np.ndarray, seed: int) -> np.ndarray:
    """Scores [M, k] of candidates with ``weights [M, k]`` and ``surface_weights [M, k]``, all positive."""
    noise = np.random.default_rng((seed, NOISE)).gumbel(size=weights.shape)
    return np.log(weights) + np.log(surface_weights) + noise


def relaxed_choice(scores: np.ndarray, tau: float, hard: bool) -> np.ndarray:
    """Share of each candidate, [M, k], the rows' sums 1: relaxed, or all to the largest score if ``hard``."""
    if hard:
        return (np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]).astype(scores.dtype)
    shares = np.exp((scores - scores.max(axis=1, keepdims=True)) / tau)
    return shares / shares.sum(axis=1, keepdims=True)
