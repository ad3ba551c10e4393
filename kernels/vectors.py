"""Three-vectors inside numba kernels: tuples of three numbers; rows of an array are taken as well.

numba's cache does not see a change of this file in its callers: delete `kernels/__pycache__` after one.
"""

from kernels import cpu


@cpu.inner
def plus(a, b):
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@cpu.inner
def minus(a, b):
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@cpu.inner
def scaled(factor, a):
    return factor * a[0], factor * a[1], factor * a[2]


@cpu.inner
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@cpu.inner
def cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@cpu.inner
def largest(a):
    """The largest component in size: a length whose square cannot overflow."""
    return max(abs(a[0]), abs(a[1]), abs(a[2]))
