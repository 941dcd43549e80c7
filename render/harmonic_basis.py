"""Real spherical harmonics as polynomials of a unit vector (x, y, z), with the signs of 3D Gaussian Splatting.

    Y_lm = (-1)^m K_lm Π_lm(z) A_m(x, y),    Π_lm = d^m P_l / dz^m,    A_m = Re (x + i y)^m,  for m < 0 Im (x + i y)^|m|
    K_lm = sqrt((2 - [m = 0]) (2 l + 1) / (4 π) (l - |m|)! / (l + |m|)!)

(Sloan, "Efficient spherical harmonic evaluation", JCGT 2013; P_l are the Legendre polynomials.) Function
k = l (l + 1) + m stands at place k: the constant, then -y, z, -x with their factor, and so on. Kernels unroll the
polynomials and their derivatives from the tables made here.
"""

import math

import numpy as np
import taichi as ti
from numpy.polynomial import legendre, polynomial

MAX_DEGREE = 4
"""The highest degree that the tables hold; gsplat's too."""

Polynomial = dict[tuple[int, int, int], float]
"""Coefficients by the powers of x, y and z."""


def basis_size(degree: int) -> int:
    """Number of functions up to ``degree``."""
    return (degree + 1) ** 2


def _harmonic(degree: int, order: int) -> Polynomial:
    m = abs(order)
    ratio = math.factorial(degree - m) / math.factorial(degree + m)
    factor = (-1) ** m * math.sqrt((1 if m == 0 else 2) * (2 * degree + 1) / (4 * math.pi) * ratio)
    in_z = polynomial.polyder(legendre.leg2poly(np.eye(degree + 1)[degree]), m)
    terms: Polynomial = {}
    for j in range(m + 1):  # i^j y^j of the binomial: real for even j, imaginary for odd j
        if j % 2 == (order < 0):
            in_xy = math.comb(m, j) * (-1) ** (j // 2)
            for power, value in enumerate(in_z):
                if value != 0:
                    terms[m - j, j, power] = float(factor * in_xy * value)
    return terms


def _derivative(terms: Polynomial, axis: int) -> Polynomial:
    result: Polynomial = {}
    for powers, value in terms.items():
        if powers[axis] > 0:
            lower = tuple(power - (i == axis) for i, power in enumerate(powers))
            result[lower] = value * powers[axis]  # type: ignore[index]
    return result


def _terms(terms: Polynomial) -> list[tuple[int, int, int, float]]:
    """As lists, which ``ti.static`` can loop over."""
    return [(*powers, value) for powers, value in terms.items()]


_TABLE = [_harmonic(degree, order) for degree in range(MAX_DEGREE + 1) for order in range(-degree, degree + 1)]

HARMONICS = [_terms(terms) for terms in _TABLE]
"""The basis functions in order: powers of x, y, z and the coefficient of each term."""

GRADIENTS = [[_terms(_derivative(terms, axis)) for axis in range(3)] for terms in _TABLE]
"""Their derivatives by x, y and z, as polynomials in space; the part along (x, y, z) is no property of the function."""


@ti.func
def _powers(u, degree: ti.template()):
    """Rows x^i, y^i, z^i, i = 0 … degree."""
    powers = ti.Matrix([[1.0] * (ti.static(degree) + 1) for _ in range(3)])
    for i in ti.static(range(degree)):
        for axis in ti.static(range(3)):
            powers[axis, i + 1] = powers[axis, i] * u[axis]
    return powers


@ti.func
def harmonic_basis(u, degree: ti.template()):
    """All basis functions up to ``degree`` at the unit vector ``u``."""
    powers = _powers(u, degree)
    basis = ti.Vector([0.0] * ti.static(basis_size(degree)))
    for k in ti.static(range(basis_size(degree))):
        for term in ti.static(HARMONICS[k]):
            basis[k] += term[3] * powers[0, term[0]] * powers[1, term[1]] * powers[2, term[2]]
    return basis


@ti.func
def harmonic_gradient(u, weights, degree: ti.template()):
    """Derivative by ``u`` of the sum of ``weights[k]`` times function k."""
    powers = _powers(u, degree)
    gradient = ti.Vector([0.0, 0.0, 0.0])
    for k in ti.static(range(basis_size(degree))):
        for axis in ti.static(range(3)):
            for term in ti.static(GRADIENTS[k][axis]):
                value = term[3] * powers[0, term[0]] * powers[1, term[1]] * powers[2, term[2]]
                gradient[axis] += weights[k] * value
    return gradient
