"""An authority under gunicorn, as its command line says to run it."""

from __future__ import annotations

from tallystick.authority.commands import application

app = application()
