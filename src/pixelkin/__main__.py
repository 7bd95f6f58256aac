"""`python -m pixelkin` is `pixelkin`."""

import sys

from pixelkin.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
