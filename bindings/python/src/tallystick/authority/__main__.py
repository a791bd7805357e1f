"""``python -m tallystick.authority``: run an authority and keep its clients."""

from __future__ import annotations

import sys

from tallystick.authority.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
