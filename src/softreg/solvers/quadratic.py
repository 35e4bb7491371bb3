"""A quadratic with a weighted L1 norm, minimised over the faces of the orthants.

    q(x) = gᵀ(x − x₀) + ½ (x − x₀)ᵀ B (x − x₀) + Σ_j w_j |x_j|

Where no x_j changes its sign, q is smooth. So a step is Newton's on the coordinates that are not at 0 or would leave it
downhill, by conjugate gradients, and what would cross 0 stops there (Andrew & Gao 2007, "Scalable training of
L1-regularized log-linear models"; Byrd, Chin, Nocedal & Oztoprak 2016, "A family of second-order methods for convex
ℓ1-regularized optimization"). A coordinate at 0 that Newton's step would move uphill stays, and the step is found anew
without it: without that care, each step frees many that the next has to bring back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from softreg.protocols import Facet, Vector

__all__ = ["conjugate_gradients", "least_subgradient", "minimum"]

MAX_STEPS, MAX_FACES, MAX_PRODUCTS = 25, 10, 300
ENOUGH = 1e-2  # of the subgradient's norm: the model is no better than that
ACCURACY = 1e-2  # of a step
SHORTEST = 1e-20  # of a step along a direction that B hardly curves, where it crosses 0 at once

Product = Callable[[Vector], Vector]


def least_subgradient(x: Vector, grad: Vector, weights: Vector) -> Vector:
    """Return the subgradient of f + Σ w |x| of least norm, grad that of f: 0 where coordinate j is at its best."""
    at_zero = np.sign(grad) * np.maximum(np.abs(grad) - weights, 0.0)
    return np.where((x == 0) & (weights > 0), at_zero, grad + weights * np.sign(x))


def minimum(facet: Facet, product: Product, grad: Vector, start: Vector, weights: Vector) -> tuple[Vector, int]:
    """Return x near the minimum of q, and the number of products with B that it took."""
    x, slope = start, grad  # slope: of the smooth part at x
    unit = 1 / np.sqrt(facet.diagonal)  # of the coordinates: with it, norms do not depend on the columns'
    products = 0
    first = np.inf
    for _ in range(MAX_STEPS):
        least = least_subgradient(x, slope, weights)
        size = float(np.linalg.norm(least * unit))
        first = size if first == np.inf else first
        if not size > ENOUGH * first:
            break
        orthant = np.where(x != 0, np.sign(x), -np.sign(least))
        direction, spent = _newton(facet, product, x, least, orthant, weights)
        products += spent
        length = 1.0
        while length >= SHORTEST:
            there = x + length * direction
            there[(there * orthant < 0) & (weights > 0)] = 0.0
            move = there - x
            slope_there = slope + product(move)
            products += 1
            # Coordinate by coordinate, where slope and penalty cancel: their sums would not tell the last digits.
            if np.sum((slope + slope_there) / 2 * move + weights * (np.abs(there) - np.abs(x))) < 0:  # false for nan
                break
            length /= 4
        else:
            break
        x, slope = there, slope_there
    return x, products


def _newton(
    facet: Facet, product: Product, x: Vector, least: Vector, orthant: Vector, weights: Vector
) -> tuple[Vector, int]:
    free = (x != 0) | (least != 0) | (weights == 0)
    products = 0
    for _ in range(MAX_FACES):
        direction, spent = conjugate_gradients(product, -least, facet.solver(free), free)
        products += spent
        uphill = (x == 0) & (direction * orthant < 0) & (weights > 0)
        direction[uphill] = 0.0
        if not uphill.any():
            return direction, products
        free = free & ~uphill
    return np.where(direction * least < 0, direction, 0.0), products  # what goes downhill each for itself


def conjugate_gradients(
    product: Product, target: Vector, solve: Product, free: NDArray[np.bool_]
) -> tuple[Vector, int]:
    """Solve B x = target on the free coordinates; also the number of products taken."""
    x = np.zeros_like(target)
    residual = np.where(free, target, 0.0)
    z = solve(residual)
    direction, squared = z, float(residual @ z)
    enough = ACCURACY**2 * squared
    count = 0
    while squared > enough and count < MAX_PRODUCTS:  # false for nan
        curved = np.where(free, product(direction), 0.0)
        count += 1
        curvature = float(direction @ curved)
        if not curvature > 0:
            break
        length = squared / curvature
        x += length * direction
        residual -= length * curved
        z = solve(residual)
        before, squared = squared, float(residual @ z)
        direction = z + squared / before * direction
    return x, count
