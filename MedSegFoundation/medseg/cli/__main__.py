"""``python -m medseg.cli``, for where the ``medseg`` script is not on the path."""

import sys

from . import main

sys.exit(main())
