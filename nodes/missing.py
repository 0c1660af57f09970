"""What stands in for the nodes where a package is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from comfy_api.latest import ComfyExtension, io

from .types import CATEGORY


class Missing(ComfyExtension):
    """One node that says what to install.

    Args:
        names: of the packages, as they are imported.
        requirements: the pack's list of requirements.
    """

    def __init__(self, names: list[str], requirements: Path) -> None:
        self.message = message = (
            f"Silencer needs {', '.join(names)}. Install it with\n"
            f'"{sys.executable}" -m pip install -r "{requirements}"\nand start ComfyUI again.'
        )

        class InstallRequirements(io.ComfyNode):
            """Says what is missing."""

            @classmethod
            def define_schema(cls) -> io.Schema:
                return io.Schema(
                    "SilencerMissing", "Silencer is not complete", CATEGORY, description=message
                )

            @classmethod
            def execute(cls) -> io.NodeOutput:
                raise RuntimeError(message)

        self.node = InstallRequirements

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The one node."""
        return [self.node]
