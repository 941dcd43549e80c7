"""Whether gradients flow from pixels to controls and material: ``python -m scripts.test_gradient_flow``."""

import sys

from experiments.gradient_flow import main

if __name__ == "__main__":
    sys.exit(main())
