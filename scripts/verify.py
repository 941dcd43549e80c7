"""``python -m scripts.verify [CASE …] [--docs docs]``: physics against known answers."""

import sys

from experiments.verification.report import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
