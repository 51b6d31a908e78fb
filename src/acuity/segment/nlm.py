"""Non-local means for volumes (Buades, Coll and Morel 2005, doi:10.1109/CVPR.2005.38)."""

import numpy as np
from numba import njit, prange

from acuity.errors import AcuityError
from acuity.slabs import open_writer
from acuity.streaming_median import medians
from acuity.volume import choose_layout, slabs


def noise_sigma(data):
    """Standard deviation of white noise, from the finest diagonal details of a volume.

    The median absolute Haar coefficient that differences all three axes (two for a single
    slice), over 0.6745 (Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425). It is exact, and
    the volume is read twice, slab by slab.

    Parameters
    ----------
    data : array
        (z, y, x), in memory or read part by part.

    Returns
    -------
    float
        In grey values.
    """
    depth = max(2, choose_layout(data.shape, np.float32).shard[0])

    def details():
        for z0, z1 in slabs(data.shape[0], depth):
            detail = np.asarray(data[z0:z1], np.float32)
            if len(detail) == 1 < data.shape[0]:
                continue
            for axis in range(3):
                n = detail.shape[axis] // 2 * 2
                if n:
                    even = detail.take(range(0, n, 2), axis)
                    odd = detail.take(range(1, n, 2), axis)
                    detail = (odd - even) * np.float32(np.sqrt(0.5))
            yield (np.abs(detail).ravel(),)

    return float(medians(details)[0] / 0.6744897501960817)


# A tile of the output is made by one thread, shift by shift: squared difference of the tile and
# its shifted neighbour, sums over the patch by running sums, weight, accumulate. Everything
# that a shift touches stays in the cache, and rows run along x.
@njit(cache=True, parallel=True, fastmath=True, error_model="numpy")
def _nlm(padded, shape, patch, search, flat, offset, scale, out):
    nz, ny, nx = shape
    tz, ty = 8, 16
    tiles_y = (ny + ty - 1) // ty
    tiles = ((nz + tz - 1) // tz) * tiles_y
    side = 2 * patch + 1
    pad = patch + search
    for tile in prange(tiles):
        z0 = (tile // tiles_y) * tz
        y0 = (tile % tiles_y) * ty
        bz = min(tz, nz - z0)
        by = min(ty, ny - y0)
        pz = 0 if flat else patch
        sz = 0 if flat else search
        wz = bz + 2 * pz
        wy = by + 2 * patch
        wx = nx + 2 * patch
        difference = np.empty((wz, wy, wx), np.float32)
        along_y = np.empty((wz, by, wx), np.float32)
        along_z = np.empty(wx, np.float32)
        patch_sum = np.empty(nx, np.float32)
        total = np.zeros((bz, by, nx), np.float32)
        weight = np.zeros((bz, by, nx), np.float32)
        cz = pz + sz
        for dz in range(-sz, sz + 1):
            for dy in range(-search, search + 1):
                for dx in range(-search, search + 1):
                    for z in range(wz):
                        for y in range(wy):
                            a = padded[z0 + z + cz - pz, y0 + y + search, search : search + wx]
                            b = padded[
                                z0 + z + cz - pz + dz,
                                y0 + y + search + dy,
                                search + dx : search + dx + wx,
                            ]
                            d = difference[z, y]
                            for x in range(wx):
                                e = a[x] - b[x]
                                d[x] = e * e
                    for z in range(wz):
                        for y in range(by):
                            s = along_y[z, y]
                            d = difference[z, y]
                            for x in range(wx):
                                s[x] = d[x]
                            for k in range(1, side):
                                d = difference[z, y + k]
                                for x in range(wx):
                                    s[x] += d[x]
                    for z in range(bz):
                        for y in range(by):
                            s = along_y[z, y]
                            for x in range(wx):
                                along_z[x] = s[x]
                            for k in range(1, 2 * pz + 1):
                                s = along_y[z + k, y]
                                for x in range(wx):
                                    along_z[x] += s[x]
                            for x in range(nx):
                                patch_sum[x] = along_z[x]
                            for k in range(1, side):
                                s = along_z[k : k + nx]
                                for x in range(nx):
                                    patch_sum[x] += s[x]
                            b = padded[
                                z0 + z + cz + dz, y0 + y + pad + dy, pad + dx : pad + dx + nx
                            ]
                            t = total[z, y]
                            w = weight[z, y]
                            for x in range(nx):
                                # exp(-u) as the eighth power of a polynomial: no library call,
                                # so that it vectorises; relative error below 1e-3 to u = 5,
                                # beyond which a weight counts as zero.
                                u = max(patch_sum[x] * scale - offset, np.float32(0.0))
                                v = -min(u, np.float32(8.0)) * np.float32(0.125)
                                e = np.float32(1.0) + v * (
                                    np.float32(1.0)
                                    + v
                                    * (
                                        np.float32(0.5)
                                        + v
                                        * (
                                            np.float32(1.0 / 6.0)
                                            + v
                                            * (np.float32(1.0 / 24.0) + v * np.float32(1.0 / 120.0))
                                        )
                                    )
                                )
                                e = e * e
                                e = e * e
                                e = e * e
                                e = e if u <= np.float32(5.0) else np.float32(0.0)
                                w[x] += e
                                t[x] += e * b[x]
        for z in range(bz):
            for y in range(by):
                for x in range(nx):
                    out[z0 + z, y0 + y, x] = total[z, y, x] / weight[z, y, x]


def nlm(volume, *, sigma=None, h=None, patch=1, search=3):
    """Smooth a volume by non-local means.

    Each voxel becomes the mean of the voxels around it, weighted by how alike the patches about
    them are: ``exp(-max(d - 2 sigma^2, 0) / h^2)`` with d the mean squared difference of two
    patches, borders reflected; beyond an exponent of 5 a weight counts as 0. (The formula of
    ``skimage.restoration.denoise_nl_means(fast_mode=True)``, whose patches in version 0.26 lack
    a voxel along each axis and lie half a voxel off centre.)

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x); a single slice is smoothed in its plane.
    sigma : float, optional
        Standard deviation of the noise in grey values; estimated where not given.
    h : float, optional
        Strength in grey values, by default sigma.
    patch, search : int
        Half width in voxels of a patch and of the window that is searched: 3^3 and 7^3 voxels
        by default.

    Returns
    -------
    (numpy.ndarray, float)
        float32 volume (z, y, x) and the sigma that was used.

    Raises
    ------
    AcuityError
        If the volume is empty or not of the shape (z, y, x).
    """
    volume = np.ascontiguousarray(volume, np.float32)
    if volume.ndim != 3 or volume.size == 0:
        raise AcuityError(f"nlm: the volume has shape {volume.shape}; (z, y, x) is needed")
    if sigma is None:
        sigma = noise_sigma(volume)
    if h is None:
        h = sigma
    if not h > 0:  # no noise: nothing to smooth
        return volume.copy(), float(sigma)
    flat = volume.shape[0] == 1
    pad = patch + search
    padded = np.pad(
        volume, [(0, 0) if flat else (pad, pad), (pad, pad), (pad, pad)], mode="symmetric"
    )
    count = (2 * patch + 1) ** (2 if flat else 3)
    out = np.empty_like(volume)
    _nlm(
        padded,
        volume.shape,
        patch,
        search,
        flat,
        np.float32(2.0 * sigma**2 / h**2),
        np.float32(1.0 / (count * h * h)),
        out,
    )
    return out, float(sigma)


def smooth(volume, output, *, part=None, patch=1, search=3):
    """Smooth a stored volume by non-local means, slab by slab.

    Every voxel is that of `nlm` of the whole volume, bit for bit: slabs are read with a halo of
    ``patch + search`` slices, and hold whole slices.

    Parameters
    ----------
    volume : acuity.volume.Volume
        (z, y, x), finite values.
    output : path
        The smoothed volume, float32, ``X.ome.zarr``.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.
    patch, search : int
        As for `nlm`.

    Returns
    -------
    float
        The noise that was found, in grey values. It is noted for the job that joins slabs.
    """
    halo = patch + search
    with open_writer(
        output,
        volume.grid,
        np.float32,
        part,
        settled={"input": volume.digest},
        intensity=volume.intensity,
        provenance=(*volume.provenance, {"step": "nlm", "patch": patch, "search": search}),
    ) as writer:
        sigma = writer.agree("sigma", lambda: noise_sigma(volume.data))
        for z0, z1 in writer.spans(writer.slab_depth):
            start = max(0, z0 - halo)
            block = volume.read(slice(start, min(volume.grid.shape[0], z1 + halo)))
            block, _ = nlm(block, sigma=sigma, patch=patch, search=search)
            writer.write(z0, block[z0 - start : z1 - start])
        writer.note(sigma=sigma)
    return sigma
