"""``python -m scripts.bench NAME [options]``: measure a stage. ``--help`` after the name tells its options."""

import importlib
import os
import sys

BENCHMARKS = {
    "gradient": "experiments.bench.gradient",
    "morph": "experiments.bench.morph",
    "mpm": "experiments.bench.mpm",
    "render": "experiments.bench.render",
    "upsample": "experiments.bench.upsample",
}
"""Names and the modules whose ``main(arguments)`` measures."""


def main(arguments: list[str]) -> int:
    """Run the benchmark named first with the rest of the arguments."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: bridge/__init__.py says why
    if not arguments or arguments[0] not in BENCHMARKS:
        print(f"usage: python -m scripts.bench {{{', '.join(BENCHMARKS)}}} [options]", file=sys.stderr)
        return 2
    return importlib.import_module(BENCHMARKS[arguments[0]]).main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
