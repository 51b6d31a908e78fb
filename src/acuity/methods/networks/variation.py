"""Anisotropic total variation of images, of voxels that count."""


def variation(image, mask):
    """Return the sum of the absolute differences of neighbours along y and along x.

    Parameters
    ----------
    image : torch.Tensor
        (n, 1, y, x).
    mask : torch.Tensor
        1 where voxels count, broadcast to the image; of two neighbours both must.

    Returns
    -------
    torch.Tensor
        Over all images of the batch (de Haan et al. 2019, equation 3): it grows with their area.
    """
    mask = mask.expand_as(image)
    total = 0.0
    for axis in (2, 3):
        n = image.shape[axis] - 1
        both = mask.narrow(axis, 1, n) * mask.narrow(axis, 0, n)
        steps = (image.narrow(axis, 1, n) - image.narrow(axis, 0, n)).abs()
        total = total + (steps * both).sum()
    return total
