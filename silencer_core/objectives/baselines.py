"""Published protections by name, to be compared with within the same budget.

A new one is an `Objective` in a module of its own and a line in the table. Nothing heavy is
imported before one is asked for: what only shows the names stays fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .objective import Objective


def _silencer1() -> Objective:
    from .silencer1_objective import Silencer1AsCoded

    return Silencer1AsCoded()


#: Name as people read it -> what makes the objective with its published settings.
BASELINES: dict[str, Callable[[], Objective]] = {
    "Silencer-I as coded": _silencer1,
}
