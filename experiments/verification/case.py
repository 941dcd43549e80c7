"""What a case is made of: its checks, its curves, and how it is described."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Check:
    """One number of a case beside what it should be."""

    name: str
    measured: float
    error: float
    """Deviation from ``expected``, in the sense that ``tolerance`` means: relative where ``expected`` is not 0."""
    expected: float | None = None
    """None: nothing is expected, the number is reported."""
    tolerance: float | None = None
    """Largest ``error`` that passes. None: reported only."""

    @property
    def passed(self) -> bool:
        """A NaN does not pass."""
        return self.tolerance is None or self.error <= self.tolerance


def relative(name: str, measured: float, expected: float, tolerance: float | None = None) -> Check:
    """|measured − expected| / |expected| ≤ tolerance."""
    return Check(name, measured, abs(measured - expected) / abs(expected), expected, tolerance)


def vanishing(name: str, measured: float, tolerance: float | None = None) -> Check:
    """|measured| ≤ tolerance, of a number that should be 0 (an error, a drift)."""
    return Check(name, measured, abs(measured), 0.0, tolerance)


def within(name: str, measured: float, expected: float, tolerance: float) -> Check:
    """|measured − expected| ≤ tolerance, in the number's own unit."""
    return Check(name, measured, abs(measured - expected), expected, tolerance)


def reported(name: str, measured: float) -> Check:
    """A number without a claim."""
    return Check(name, measured, 0.0)


@dataclass(frozen=True)
class Curve:
    """A line of a plot; what is exact is drawn dashed."""

    label: str
    x: ArrayLike
    y: ArrayLike
    exact: bool = False
    points: bool = False
    """Draw markers, for measurements that are few or belong to particles."""


@dataclass(frozen=True)
class Panel:
    """One plot."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    log: bool = False
    """Both axes logarithmic."""
    equal: bool = False
    """Same scale on both axes, for positions."""


@dataclass(frozen=True)
class Outcome:
    """What a case measured."""

    checks: Sequence[Check]
    panels: Sequence[Panel] = field(default=())


@dataclass(frozen=True)
class Case:
    """A scene with a known answer."""

    name: str
    """File name of its module, its test and its plot."""
    title: str
    text: str
    """What is checked, the formula and its source, in Markdown."""
    run: Callable[[], Outcome]
    """Build, simulate, compare; in the runtime that is current."""
    dtype: str = "float64"
    """Precision of the runtime."""
