"""``python -m jaxsci``."""

import sys

from jaxsci.cli import main

if __name__ == "__main__":
    sys.exit(main())
