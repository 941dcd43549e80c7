"""``python -m scripts.verify``: run the cases, print their tables, write docs/verification.md with its plots."""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import bridge
from bridge.runtime import current
from experiments.verification.case import Case, Outcome
from experiments.verification.cases import CASES
from experiments.verification.page import HEADER, page, row
from experiments.verification.plots import draw

RESULTS = "results.json"
"""What each case measured last, beside the plots: running some cases leaves the others' results alone."""
TABLE_WIDTH = 120
"""Characters of the table, also where the output is no terminal."""


def main(arguments: list[str] | None = None) -> int:
    """Run, print, write; 1 if a claim is missed."""
    parser = argparse.ArgumentParser(prog="scripts.verify", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"which (default: all): {', '.join(c.name for c in CASES)}"
    )
    parser.add_argument("--backend", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="also write verification.md and its plots there")
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.cases) - {case.name for case in CASES})
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; expected {', '.join(case.name for case in CASES)}")
    missed = False
    for case in (case for case in CASES if not args.cases or case.name in args.cases):
        start = time.perf_counter()
        outcome = run(case, args.backend)
        _print(case, outcome, time.perf_counter() - start)
        missed |= not all(check.passed for check in outcome.checks)
        if args.docs:
            record(args.docs, case, outcome)
    return int(missed)


def run(case: Case, backend: str = "cpu") -> Outcome:
    """The case in a runtime of its own precision."""
    bridge.reset()
    bridge.init(backend, getattr(torch, case.dtype))
    return case.run()


def record(docs: Path, case: Case, outcome: Outcome) -> None:
    """Add the case to the results, draw its plot and write the page anew."""
    folder = docs / "images" / "verification"
    folder.mkdir(parents=True, exist_ok=True)
    if outcome.panels:
        draw(folder / f"{case.name}.png", list(outcome.panels))
    path = folder / RESULTS
    results = json.loads(path.read_text()) if path.exists() else {}
    results[case.name] = {
        "date": datetime.date.today().isoformat(),
        "machine": _machine(current().backend),
        "plot": bool(outcome.panels),
        "checks": [asdict(check) for check in outcome.checks],
    }
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (docs / "verification.md").write_text(page(results))


def _machine(backend: str) -> str:
    device = torch.cuda.get_device_name() if backend == "cuda" else f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{device}, Python {platform.python_version()}, torch {torch.__version__}"


def _print(case: Case, outcome: Outcome, seconds: float) -> None:
    table = Table(title=f"{case.title} ({case.dtype}, {seconds:.0f} s)", title_justify="left")
    table.add_column(HEADER[0])
    for column in HEADER[1:]:
        table.add_column(column, justify="right")
    for check in outcome.checks:
        table.add_row(*row(check))
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
