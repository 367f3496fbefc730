"""The composition root: the only folder that knows every name.  Builds the server from the settings and runs it.

The order at start: what can be wrong is found before anything is touched (plan.py), then the home is locked and the
database opened, then the engines are loaded (host.py), and only when a query would work does cloche take calls
(serving.py) and say so.  The first token is made with these words and not before them (welcome.py), so that no failed
start leaves a token that nobody has seen.
"""

from __future__ import annotations

from cloche.bootstrap.plan import CannotStart
from cloche.bootstrap.start import serve

__all__ = ["CannotStart", "serve"]
