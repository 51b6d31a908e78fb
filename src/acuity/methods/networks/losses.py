"""Losses of voxels that count."""

import torch


def masked_loss(
    restored: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, kind: str
) -> torch.Tensor:
    """Return the mean squared (``mse``) or absolute (``l1``) error over the voxels where the mask is 1."""
    error = restored - target
    error = error.abs() if kind == "l1" else error * error
    return (error * mask).sum() / mask.expand_as(error).sum().clamp(min=1.0)


def variation(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
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
    total = image.new_zeros(())
    for axis in (2, 3):
        n = image.shape[axis] - 1
        both = mask.narrow(axis, 1, n) * mask.narrow(axis, 0, n)
        steps = (image.narrow(axis, 1, n) - image.narrow(axis, 0, n)).abs()
        total = total + (steps * both).sum()
    return total


def histogram_loss(
    restored: torch.Tensor,
    target: torch.Tensor,
    mask: torch.Tensor,
    span: tuple[float, float],
    bins: int,
) -> torch.Tensor:
    """Return the distance of the grey-value distributions of images (earth mover's), differentiable.

    A value counts for a bin's upper edge by a ramp as wide as a bin (a soft bin), so the share of
    voxels below each edge has a gradient; the loss is the mean difference of these shares times
    the range. Differences of cumulated shares, unlike those of the bins, also pull values that are
    more than a bin away.

    Parameters
    ----------
    restored, target : torch.Tensor
        (n, 1, y, x).
    mask : torch.Tensor
        1 where voxels count, broadcast to them.
    span : tuple of float
        Least and greatest intensity of the bins; values beyond count for the outermost.
    bins : int
        Bins.

    Returns
    -------
    torch.Tensor
    """
    low, high = span
    width = (high - low) / bins
    weight = mask.expand_as(restored)
    count = weight.sum(dim=(1, 2, 3)).clamp(min=1.0)
    total = restored.new_zeros(())
    for n in range(1, bins):
        edge = low + n * width
        below = [
            (((edge - image) / width + 0.5).clamp(0, 1) * weight).sum(dim=(1, 2, 3)) / count
            for image in (restored, target)
        ]
        total = total + (below[0] - below[1]).abs().mean()
    return total * width
