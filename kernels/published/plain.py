"""Plain code on one PE: loops of scalar instructions over f32, as a compiler makes them (repository FABRICA, kernels).

x, y, ...  arrays of f32 in SRAM; results of one number go to element 0 of `result`
times      clock of the PE before and after
"""

from __future__ import annotations

from collections.abc import Callable

from wse_sim.hardware import f32, i32
from wse_sim.kernels.published.compiled import load, scale, store
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program
from wse_sim.program.register import Register

LOWEST = -3.0e38


def timed(name: str, emit: Callable[[Builder, Code], None]) -> Program:
    """A program of one PE around which the clock is read."""
    build = Builder(1, 1, name=name)
    times = build.buffer("times", i32, 2)
    pe = build.main()
    pe.store(times[0], pe.clock())
    emit(build, pe)
    pe.store(times[1], pe.clock())
    return build.finish()


# -- sums ---------------------------------------------------------------------------------------------


def total(pe: Code, x: Buffer) -> Register:
    """The sum of x."""
    found = pe.real(0.0)
    with pe.loop(x.length) as i:
        scale(pe)
        found += load(pe, x, i)
    return found


def dot(pe: Code, x: Buffer, y: Buffer) -> Register:
    """The sum of x * y."""
    found = pe.real(0.0)
    with pe.loop(x.length) as i:
        scale(pe)
        found += load(pe, x, i) * load(pe, y, i)
    return found


def squares(pe: Code, x: Buffer) -> Register:
    """The sum of x * x."""
    found = pe.real(0.0)
    with pe.loop(x.length) as i:
        scale(pe)
        value = load(pe, x, i)
        found += value * value
    return found


def largest(pe: Code, x: Buffer) -> Register:
    found = pe.real(LOWEST)
    with pe.loop(x.length) as i:
        scale(pe)
        value = load(pe, x, i)
        with pe.when(found < value):
            pe.set(found, value)
    return found


def sum_of(n: int) -> Program:
    """result = the sum of x."""

    def emit(build: Builder, pe: Code) -> None:
        x = build.buffer("x", f32, n)
        pe.store(build.buffer("result", f32, 1)[0], total(pe, x))

    return timed(f"plain sum {n}", emit)


def dot_of(n: int) -> Program:
    """result = x . y."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f32, n), build.buffer("y", f32, n)
        pe.store(build.buffer("result", f32, 1)[0], dot(pe, x, y))

    return timed(f"plain dot {n}", emit)


# -- vectors ------------------------------------------------------------------------------------------


def axpy(n: int) -> Program:
    """y += 2 x."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f32, n), build.buffer("y", f32, n)
        with pe.loop(n) as i:
            scale(pe)
            value = load(pe, y, i) + load(pe, x, i) * 2.0
            store(pe, y, i, value, addressed=True)

    return timed(f"plain axpy {n}", emit)


def relu(n: int) -> Program:
    """y = max(x, 0), by a branch."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f32, n), build.buffer("y", f32, n)
        with pe.loop(n) as i:
            scale(pe)
            value = load(pe, x, i)
            with pe.when(value < 0.0):
                pe.set(value, 0.0)
            store(pe, y, i, value)

    return timed(f"plain ReLU {n}", emit)


def silu(n: int) -> Program:
    """y = x * sigmoid(x)."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f32, n), build.buffer("y", f32, n)
        with pe.loop(n) as i:
            scale(pe)
            value = load(pe, x, i)
            sigmoid = 1.0 / (pe.scalar("fexp", -value) + 1.0)
            store(pe, y, i, value * sigmoid)

    return timed(f"plain SiLU {n}", emit)


# -- norms --------------------------------------------------------------------------------------------


def l2_norm(n: int) -> Program:
    """y = x / |x|."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f32, n), build.buffer("y", f32, n)
        factor = 1.0 / pe.scalar("fsqrt", squares(pe, x))
        with pe.loop(n) as i:
            scale(pe)
            store(pe, y, i, load(pe, x, i) * factor)

    return timed(f"plain L2 norm {n}", emit)


def rms_norm(n: int, *, epsilon: float = 1e-5) -> Program:
    """y = weight * x / sqrt(mean(x * x) + epsilon)."""

    def emit(build: Builder, pe: Code) -> None:
        x, y, weight = (build.buffer(name, f32, n) for name in ("x", "y", "weight"))
        factor = 1.0 / pe.scalar("fsqrt", squares(pe, x) * (1.0 / n) + epsilon)
        with pe.loop(n) as i:
            scale(pe)
            store(pe, y, i, load(pe, x, i) * factor * load(pe, weight, i))

    return timed(f"plain RMSNorm {n}", emit)


def cross_entropy(n: int, target: int) -> Program:
    """result = softmax(x)[target], of which the cross entropy is minus the logarithm."""

    def emit(build: Builder, pe: Code) -> None:
        x = build.buffer("x", f32, n)
        most = largest(pe, x)
        found = pe.real(0.0)
        with pe.loop(n) as i:
            scale(pe)
            found += pe.scalar("fexp", load(pe, x, i) - most)
        likelihood = pe.scalar("fexp", pe.load(x[target]) - most) / found
        pe.store(build.buffer("result", f32, 1)[0], likelihood)

    return timed(f"plain cross entropy {n}", emit)


# -- matrices -----------------------------------------------------------------------------------------


def matrix_vector(n: int) -> Program:
    """y = A x, A (n, n) row by row."""

    def emit(build: Builder, pe: Code) -> None:
        a, x, y = build.buffer("a", f32, n * n), build.buffer("x", f32, n), build.buffer("y", f32, n)
        with pe.loop(n) as i:
            found = pe.real(0.0)
            with pe.loop(n) as k:
                at = i * n + k
                scale(pe)
                scale(pe, computed=1)
                found += load(pe, a, at) * load(pe, x, k)
            scale(pe)
            store(pe, y, i, found)

    return timed(f"plain matrix-vector {n}", emit)


def matrix_matrix(n: int) -> Program:
    """c = a b, (n, n) row by row."""

    def emit(build: Builder, pe: Code) -> None:
        a, b, c = (build.buffer(name, f32, n * n) for name in "abc")
        with pe.loop(n) as i, pe.loop(n) as j:
            found = pe.real(0.0)
            with pe.loop(n) as k:
                left, right = i * n + k, k * n + j
                scale(pe, computed=2)
                found += load(pe, a, left) * load(pe, b, right)
            at = i * n + j
            scale(pe, computed=1)
            store(pe, c, at, found)

    return timed(f"plain matrix-matrix {n}", emit)

