"""docs/verification.md from the results of the cases."""

from collections.abc import Iterable
from typing import Any

from experiments.verification.case import Case, Check
from experiments.verification.cases import CASES

HEADER = ("check", "measured", "expected", "error", "tolerance", "")
INTRODUCTION = """# Verification

Scenes with known answers, through the public interface. This page is written by `python -m scripts.verify --docs
docs`. The scenes are in [experiments/verification/](../experiments/verification), one file a case;
[tests/verification/](../tests/verification) asserts on the same numbers, the quick ones in `make test`, the long ones
in `make test-slow`.

An error is relative to the expected number, or the difference where that is 0, a ratio, an angle or an order. A check
without a tolerance claims nothing; **missed** marks a claim that does not hold. Plane and one-dimensional scenes are
exact reductions of the three-dimensional code: between slip walls as thick as half the grid one component of velocity
is 0 at every node.
"""


def row(check: Check) -> tuple[str, ...]:
    """The cells under ``HEADER``."""
    expected = "" if check.expected is None else f"{check.expected:.5g}"
    error = "" if check.expected is None else f"{check.error:.2g}"
    claimed = check.tolerance is not None
    verdict = ("passed" if check.passed else "missed") if claimed else ""
    return check.name, f"{check.measured:.5g}", expected, error, f"{check.tolerance:.2g}" if claimed else "", verdict


def page(results: dict[str, Any]) -> str:
    """The whole page; ``results`` maps a case's name to its checks, date, machine and whether it has a plot."""
    parts = [INTRODUCTION]
    for case in CASES:
        if case.name in results:
            parts += _section(case, **results[case.name])
    return "\n".join(parts)


def _section(case: Case, checks: list[dict], date: str, machine: str, plot: bool) -> list[str]:
    file = case.run.__module__.rpartition(".")[2]
    parts = [f"## {case.title}\n", f"{case.text}\n", _table(Check(**check) for check in checks)]
    if plot:
        parts.append(f"![{case.title}](images/verification/{case.name}.png)\n")
    source = f"[{file}.py](../experiments/verification/{file}.py)"
    return parts + [f"{source}: `python -m scripts.verify {case.name}`, {case.dtype}. {date}, {machine}.\n"]


def _table(checks: Iterable[Check]) -> str:
    lines = [_line(HEADER), _line(["---", *["---:"] * (len(HEADER) - 2), "---"])]
    for check in checks:
        name, *numbers, verdict = (cell.replace("|", "\\|") for cell in row(check))
        lines.append(_line([name, *numbers, f"**{verdict}**" if verdict == "missed" else verdict]))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
