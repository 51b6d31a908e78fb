"""Isosurface of a volume as a picture: rays through voxels, no mesh."""

import math
from itertools import combinations, product

import numpy as np
from scipy import ndimage

AZIMUTH, ELEVATION = 35.0, 25.0  # of the eye, in degrees about z and above the x-y plane
PIXELS = 320  # along each side of the picture
STEP = 0.7  # of the smallest voxel side, along a ray
WHITE, EDGE, CUT, DARK = 255, 200, 235, 40  # grey of nothing, the box's edges, its cut faces, shade


def isosurface(cube, level, spacing=(1.0, 1.0, 1.0), *, below=False):
    """Draw where a volume passes a level, seen from above and aside without perspective.

    Parameters
    ----------
    cube : numpy.ndarray
        (z, y, x), at least two voxels along each; z points downwards.
    level : float
        Intensity of the surface.
    spacing : tuple of float
        Voxel size (z, y, x).
    below : bool
        Whether the solid is what lies below the level instead of above it.

    Returns
    -------
    image : numpy.ndarray
        uint8 (`PIXELS`, `PIXELS`). Surfaces are shaded by their slope to the light; where the box cuts the
        solid it is light and even.
    pixel : float
        Width of a pixel in the unit of `spacing`.
    """
    field = (cube.astype(np.float32) - np.float32(level)) * np.float32(-1 if below else 1)
    spacing = np.asarray(spacing, float)
    ends = (np.array(cube.shape) - 1) * spacing  # of the box, between the outermost voxels' middles
    radius = float(np.linalg.norm(ends)) / 2
    pixel = 2 * radius / PIXELS
    forward, right, down = _axes()
    place = (np.arange(PIXELS) + 0.5) * pixel - radius
    start = (
        ends / 2 - radius * forward + place[:, None, None] * down + place[None, :, None] * right
    ).reshape(-1, 3)
    met, depth, face = _march(field, start, forward, ends, spacing)
    image = np.full(PIXELS * PIXELS, WHITE, np.uint8)
    toward = -forward - 0.4 * right - 0.5 * down
    toward /= np.linalg.norm(toward)
    slopes = _slopes(field, (start[met] + depth[met, None] * forward) / spacing, spacing)
    lit = np.clip(-slopes @ toward, 0, 1)
    far = np.clip(depth[met] / (2 * radius), 0, 1)
    grey = DARK + (200 - DARK) * lit * (1.15 - 0.5 * far)
    faces = np.array([1.0, 0.94, 0.97])  # edges of the box stay visible
    grey = np.where(face[met] >= 0, CUT * faces[face[met]], grey)
    image[met] = np.clip(np.round(grey), 0, 250)
    image = image.reshape(PIXELS, PIXELS)
    image[_edges(ends, right, down, radius, pixel) & (image == WHITE)] = EDGE
    return image, pixel


def _edges(ends, right, down, radius, pixel):
    """Where the edges of the box run in the picture."""
    drawn = np.zeros((PIXELS, PIXELS), bool)
    for first, last in combinations(np.array(list(product((0.0, 1.0), repeat=3))), 2):
        if np.abs(last - first).sum() > 1:
            continue
        line = (np.linspace(first, last, 2 * PIXELS) - 0.5) * ends
        places = (((line @ way + radius) / pixel).astype(int) for way in (down, right))
        drawn[tuple(np.clip(place, 0, PIXELS - 1) for place in places)] = True
    return drawn


def _axes():
    """Directions (z, y, x) into the picture, to its right and downwards."""
    turn, rise = math.radians(AZIMUTH), math.radians(ELEVATION)
    below, ahead = np.array([1.0, 0, 0]), np.array([0, math.cos(turn), math.sin(turn)])
    forward = math.sin(rise) * below + math.cos(rise) * ahead
    right = np.array([0, -math.sin(turn), math.cos(turn)])
    return forward, right, math.cos(rise) * below - math.sin(rise) * ahead


def _march(field, start, forward, ends, spacing):
    """Follow each ray through the box until the field is not negative.

    Returns
    -------
    met : numpy.ndarray
        Whether a ray met the solid.
    depth : numpy.ndarray
        How far from its start.
    face : numpy.ndarray
        Axis of the face of the box where it did so; -1 inside the box.
    """
    limits = np.stack([-start / forward, (ends - start) / forward])
    enter, leave = limits.min(0), limits.max(0)
    face = enter.argmax(1)
    depth, leave = enter.max(1), leave.min(1)
    met = np.zeros(len(start), bool)
    rays = np.flatnonzero(depth < leave)
    before = _sample(field, start[rays] + depth[rays, None] * forward, spacing)
    met[rays[before >= 0]] = True
    rays, before = rays[before < 0], before[before < 0]
    face[rays] = -1
    step = STEP * spacing.min()
    while len(rays):
        length = np.minimum(step, leave[rays] - depth[rays])
        here = _sample(field, start[rays] + (depth[rays] + length)[:, None] * forward, spacing)
        hit = here >= 0
        share = np.where(hit, before / np.where(hit, before - here, 1), 1.0)
        depth[rays] += length * share
        met[rays[hit]] = True
        goes_on = ~hit & (length >= step)
        rays, before = rays[goes_on], here[goes_on]
    return met, depth, face


def _sample(field, places, spacing):
    inside = np.clip(places / spacing, 0, np.array(field.shape) - 1)
    return ndimage.map_coordinates(field, inside.T, order=1)


def _slopes(field, indices, spacing):
    """Unit vectors of steepest ascent."""
    parts = np.gradient(field, *spacing)
    found = [ndimage.map_coordinates(part, indices.T, order=1, mode="nearest") for part in parts]
    slopes = np.stack(found, axis=1)
    return slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-12)
