"""Bicubic interpolation of XZ and YZ planes."""

from acuity.methods.bilinear_planes import BilinearPlanes


class BicubicPlanes(BilinearPlanes):
    """Bicubic interpolation of XZ and YZ planes, as OpenCV's ``resize`` does it (a = -3/4).

    After Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1). Along x, or y, the factor is 1, so
    it acts along z alone and both orientations give the same volume; nothing is left to merge.
    """

    interpolation = "cubic_opencv"


METHOD = BicubicPlanes
