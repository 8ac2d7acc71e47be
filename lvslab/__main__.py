"""``python -m lvslab``."""

from lvslab.cli.main import main

if __name__ == "__main__":
    main()
