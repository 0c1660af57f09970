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


def _photoguard() -> Objective:
    from .encoder_attack import EncoderAttack

    return EncoderAttack()


def _dormant() -> Objective:
    from .anti_purify import AntiPurify
    from .encoder_attack import FeatureDrift

    return AntiPurify(FeatureDrift(), share=0.5)


def _sync_breaker() -> Objective:
    """The portrait's half of SyncBreaker (2026): nullifying over several intervals at once."""
    from .nullify import NullifyAudio

    intervals = ((100, 300), (400, 600), (700, 900))
    return NullifyAudio(intervals, draws=len(intervals), frames=1, static=1.0, silence=0.0, lip=0.0)


def _diffusion(kind: str, sign: int = 1) -> Callable[[], Objective]:
    def make() -> Objective:
        from .diffusion_attack import DiffusionAttack

        return DiffusionAttack(kind, sign)

    return make


#: Name as people read it -> what makes the objective with its published settings.
BASELINES: dict[str, Callable[[], Objective]] = {
    "Silencer-I as coded": _silencer1,
    "PhotoGuard (encoder)": _photoguard,
    "Mist (texture)": _diffusion("texture"),
    "Mist (fused)": _diffusion("mist"),
    "AdvDM (+)": _diffusion("advdm"),
    "AdvDM (-)": _diffusion("advdm", -1),
    "SDS (+)": _diffusion("sds"),
    "SDS (-)": _diffusion("sds", -1),
    "Feature drift (Dormant)": _dormant,
    "Several intervals (SyncBreaker)": _sync_breaker,
}
