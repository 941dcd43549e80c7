"""``python -m scripts.run CONFIG [KEY=VALUE …] --output DIR``: ``diffmpm run`` without installing."""

import sys

from experiments.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
