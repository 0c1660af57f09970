"""Everything that `hallo/net.pth` holds, under its names."""

from __future__ import annotations

from torch import nn

from .config import HalloConfig
from .denoiser import DenoisingNetwork
from .heads import AudioProjection, FaceLocator, ImageProjection
from .reference import ReferenceNetwork


class HalloNet(nn.Module):
    """The five networks of the checkpoint; `state_dict` has exactly its keys and shapes."""

    def __init__(self, config: HalloConfig):
        super().__init__()
        self.config = config
        self.reference_unet = ReferenceNetwork(config)
        self.denoising_unet = DenoisingNetwork(config)
        self.face_locator = FaceLocator(config)
        self.imageproj = ImageProjection(config)
        self.audioproj = AudioProjection(config)
