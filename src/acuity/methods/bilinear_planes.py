"""Bilinear interpolation of XZ and YZ planes."""

from acuity.methods.base import Interpolation, Settings
from acuity.settings import setting


class PlanesSettings(Settings):
    """Settings of an interpolation of planes."""

    centred: bool = setting(
        True,
        "Low-resolution slices count as the middle of their blocks, as cv2.resize takes them, also "
        "where every n-th slice was kept; false: they count where they lie",
    )


class BilinearPlanes(Interpolation):
    """Bilinear interpolation of XZ and YZ planes, as OpenCV's ``resize`` does it.

    After Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1). Along x, or y, the factor is 1, so
    it acts along z alone and both orientations give the same volume; nothing is left to merge.
    """

    Settings = PlanesSettings
    interpolation = "linear"

    def set_up(self) -> None:
        """Take from the settings where low-resolution slices lie."""
        self.centred = self.settings.centred


METHOD = BilinearPlanes
