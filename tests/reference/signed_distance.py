"""Slow, plain signed distance to a mesh: every face against every point."""

import numpy as np


def winding_number(vertices, faces, points):
    """Generalised winding number [P] (Van Oosterom and Strackee 1983, summed over all faces)."""
    total = np.zeros(len(points))
    for a, b, c in vertices[faces]:
        a, b, c = a - points, b - points, c - points
        la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
        numerator = (a * np.cross(b, c)).sum(axis=1)
        denominator = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        total += np.arctan2(numerator, denominator) / (2 * np.pi)
    return total


def distance(vertices, faces, points):
    """Unsigned distance [P]: the smallest over all faces, edges and corners."""
    best = np.full(len(points), np.inf)
    for triangle in vertices[faces]:
        a, b, c = triangle
        normal = np.cross(b - a, c - a)
        normal = normal / np.linalg.norm(normal)
        foot = points - ((points - a) @ normal)[:, None] * normal
        inside = np.ones(len(points), dtype=bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (np.cross(q - p, foot - p) @ normal) >= 0
            t = np.clip((points - p) @ (q - p) / ((q - p) @ (q - p)), 0, 1)
            best = np.minimum(best, np.linalg.norm(points - p - t[:, None] * (q - p), axis=1))
        best = np.where(inside, np.minimum(best, np.abs((points - a) @ normal)), best)
    return best
