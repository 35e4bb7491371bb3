"""Optima to 40 digits, to hold a certificate against."""

from __future__ import annotations

import functools
from typing import Any

import mpmath

from problems import plain
from softreg import Dataset

__all__ = ["optimum"]


@functools.cache
def optimum(
    data: Dataset, l2: float, l1: float = 0.0, signs: tuple[int, ...] | None = None, intercept: bool = True
) -> Any:
    """Solve by Newton's method in 40 digits, with b's free direction held by a tiny pull towards 0.

    With an L1 penalty, `signs` are those of W: that they are the optimum's is proved by the gradient there.
    """
    n, d, K = data.n_rows, data.n_features, data.n_classes
    X = plain(data).tolist()
    w = [1.0] * n if data.weights is None else data.weights.tolist()
    offsets = [[0.0] * K] * n if data.offset is None else data.offset.tolist()
    with mpmath.workdps(40):
        targets = [[t / mpmath.fsum(T) for t in map(mpmath.mpf, T)] for T in data.probabilities(slice(None)).tolist()]
        told = list(zip(targets, offsets, w, strict=True))
        rows = [[mpmath.mpf(v) for v in row] + [mpmath.mpf(int(intercept))] for row in X]
        total = mpmath.fsum(w)
        size = (d + 1) * K
        slopes = [mpmath.mpf(l1) * sign for sign in signs or [0] * (d * K)] + [mpmath.mpf(0)] * K
        free = [i for i in range(size) if i >= d * K or l1 == 0 or slopes[i]]
        theta = mpmath.zeros(size, 1)

        def value(at: Any) -> Any:
            result = mpmath.mpf(l2) / 2 * mpmath.fsum(at[i] ** 2 for i in range(d * K))
            result += mpmath.fsum(slopes[i] * at[i] for i in range(size))
            for x, (target, offset, weight) in zip(rows, told, strict=True):
                z = [offset[k] + mpmath.fsum(x[j] * at[j * K + k] for j in range(d + 1)) for k in range(K)]
                wanted = mpmath.fsum(t * v for t, v in zip(target, z, strict=True))
                result += weight / total * (mpmath.log(mpmath.fsum(mpmath.exp(v) for v in z)) - wanted)
            return result

        for _ in range(60):
            g, H = mpmath.zeros(size, 1), mpmath.zeros(size, size)
            for i in range(size):
                ridge = mpmath.mpf(l2 if l2 and i < d * K else 1e-30)
                g[i] += ridge * theta[i] + slopes[i]
                H[i, i] += ridge
            for x, (target, offset, weight) in zip(rows, told, strict=True):
                z = [offset[k] + mpmath.fsum(x[j] * theta[j * K + k] for j in range(d + 1)) for k in range(K)]
                e = [mpmath.exp(v) for v in z]
                p = [v / mpmath.fsum(e) for v in e]
                for k in range(K):
                    r = weight / total * (p[k] - target[k])
                    for j in range(d + 1):
                        g[j * K + k] += r * x[j]
                        for m in range(K):
                            h = weight / total * (p[k] * (k == m) - p[k] * p[m])
                            for q in range(d + 1):
                                H[j * K + k, q * K + m] += h * x[j] * x[q]
            short = mpmath.lu_solve(
                mpmath.matrix([[H[i, j] for j in free] for i in free]), mpmath.matrix([g[i] for i in free])
            )
            step = mpmath.zeros(size, 1)
            for i, v in zip(free, short, strict=True):
                step[i] = v
            scale, here = mpmath.mpf(1), value(theta)
            while value(theta - scale * step) > here and scale > mpmath.mpf("1e-12"):
                scale /= 2
            theta -= scale * step
            if mpmath.norm(mpmath.matrix([g[i] for i in free])) < mpmath.mpf("1e-32"):
                break
        for i in range(d * K if l1 else 0):
            assert theta[i] * slopes[i] > 0 if slopes[i] else abs(g[i]) < l1, "these are not the optimum's signs"
        return value(theta)
