"""``python -m scripts.guidance MESH…``: morphs by physics alone and guided by images, several seeds each."""

import sys

from experiments.guidance import main

if __name__ == "__main__":
    sys.exit(main())
