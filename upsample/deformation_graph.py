"""A smooth field of F on a coarse graph (after Sumner, Schmid and Pauly 2007, "Embedded deformation").

Nodes are spread over the particles; a particle's F is interpolated between its nearest nodes, W [N, K]. The nodes'
values Y are those that fit F best and are alike between neighbours of the graph,

    Y = argmin |W Y − F|² + λ (N / K) tr Yᵀ L Y = A⁻¹ Wᵀ F,   A = Wᵀ W + λ (N / K) L,

and children read them with weights of their own. L = D − (neighbours) is symmetric. Rows of W add up to 1 and L has
constants in its kernel: a uniform F stays as it is. All but F is fixed at detection.
"""

from dataclasses import dataclass

import numpy as np

from configs.upsample import GraphConfig
from kernels.arrays import from_numpy
from kernels.neighbours import NeighbourTree


@dataclass(frozen=True)
class DeformationGraph:
    """K nodes, N particles, M children, each between p nodes."""

    particle_nodes: np.ndarray
    """int32 [N, p]."""
    particle_weights: np.ndarray
    """[N, p]; their sum is 1."""
    child_nodes: np.ndarray
    """int32 [M, p]."""
    child_weights: np.ndarray
    """[M, p]; their sum is 1."""
    inverse: np.ndarray
    """A⁻¹ [K, K]."""


def build_graph(x: np.ndarray, points: np.ndarray, config: GraphConfig) -> DeformationGraph:
    """The graph of particles ``x [N, 3]`` and children at ``points [M, 3]`` (unit: length); K is at most N."""
    nodes = x[spread_nodes(x, min(config.num_nodes, len(x)))]
    K = len(nodes)
    near, distance = _nearest(nodes, nodes, min(config.node_knn + 1, K))
    p = min(config.point_knn_nodes, K)
    bandwidth = max(float(distance[:, 1 : p + 1].mean()), 1e-12) if K > 1 else 1.0
    particle_nodes, particle_weights = _weights(x, nodes, p, bandwidth)
    child_nodes, child_weights = _weights(points, nodes, p, bandwidth)
    inverse = np.linalg.inv(_system(near, particle_nodes, particle_weights, K, config.lambda_lap))
    return DeformationGraph(particle_nodes, particle_weights, child_nodes, child_weights, inverse)


def spread_nodes(x: np.ndarray, count: int) -> np.ndarray:
    """Indices of ``count`` particles, each the farthest from those before it (farthest point sampling)."""
    chosen = np.zeros(count, np.int64)
    chosen[0] = ((x - x.mean(axis=0)) ** 2).sum(axis=1).argmin()
    distance = np.full(len(x), np.inf)
    for node in range(1, count):
        distance = np.minimum(distance, ((x - x[chosen[node - 1]]) ** 2).sum(axis=1))
        chosen[node] = distance.argmax()
    return chosen


def _system(near: np.ndarray, nodes: np.ndarray, weights: np.ndarray, K: int, lam: float) -> np.ndarray:
    """A = Wᵀ W + λ (N / K) L, with a little of the identity: a node may have no particle of its own."""
    A = np.zeros((K, K))
    for slot in range(nodes.shape[1]):
        for other in range(nodes.shape[1]):
            np.add.at(A, (nodes[:, slot], nodes[:, other]), weights[:, slot] * weights[:, other])
    adjacent = np.zeros((K, K))
    adjacent[np.arange(K)[:, None], near] = 1
    adjacent = np.maximum(adjacent, adjacent.T)
    np.fill_diagonal(adjacent, 0)
    laplacian = np.diag(adjacent.sum(axis=1)) - adjacent
    return A + max(lam, 1e-9) * len(nodes) / K * laplacian


def _weights(points: np.ndarray, nodes: np.ndarray, p: int, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """The p nearest nodes, and Gaussian weights that vanish where the next node would come in."""
    near, distance = _nearest(points, nodes, min(p + 1, len(nodes)))
    last = np.exp(-((distance[:, -1:] / bandwidth) ** 2)) if len(nodes) > p else 0.0
    weights = np.exp(-((distance[:, :p] / bandwidth) ** 2)) - last + 1e-9
    return near[:, :p], weights / weights.sum(axis=1, keepdims=True)


def _nearest(points: np.ndarray, nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    middle, m = nodes.mean(axis=0), len(points)
    tree = NeighbourTree(from_numpy(nodes - middle), len(nodes))
    near, distance = tree.nearest(from_numpy(points - middle), m, k)
    return near.to_numpy().reshape(m, k), distance.to_numpy().reshape(m, k).astype(np.float64)
