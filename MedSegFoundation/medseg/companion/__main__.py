"""``python -m medseg.companion``: started by `medseg.companion.launch`, not by hand."""

from .process import main

if __name__ == "__main__":
    main()
