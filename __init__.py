"""Silencer as a ComfyUI node pack: the folder that lies in `custom_nodes`.

Nothing heavy is imported here, and nothing of ComfyUI outside of it.
"""

import importlib.util
import logging
import sys
from pathlib import Path

WEB_DIRECTORY = "./web"
_CORE = "silencer_core"
_NEEDED = ("diffusers", "kornia", "librosa", "skimage")  # what a host may lack


def _bring_core() -> None:
    """Make the pack's own library importable under its name.

    ComfyUI loads a pack by its path and does not put that on `sys.path`, while the library calls
    itself by its absolute name, as it does where it is installed. So this one package is entered
    by hand; its modules are then found through it.
    """
    if _CORE in sys.modules:
        return
    folder = Path(__file__).parent / _CORE
    spec = importlib.util.spec_from_file_location(
        _CORE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[_CORE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[_CORE])


async def comfy_entrypoint():
    """The nodes; or, where a package is missing, one node that says how to install it."""
    _bring_core()
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        from .nodes.missing import Missing

        extension = Missing(missing, Path(__file__).parent / "requirements.txt")
        logging.warning(extension.message)
        return extension
    from .nodes import Silencer

    return Silencer()
