"""Registration of two volumes: blobs whose place is known exactly, refusals, bends."""

import functools
import math

import numba
import numpy as np
import pytest
import SimpleITK as sitk

from acuity.errors import AcuityError
from acuity.register.space import apply_map, rotation
from acuity.register.volume_blocks import Blocks, measure_blocks
from acuity.register.volume_bspline import Bend
from acuity.register.volume_fields import band_passed, measured
from acuity.register.volume_levels import Band, Compared, Level
from acuity.register.volume_refine import System
from acuity.register.volumes import VolumeSettings, register_volumes

RATIO = 1.5
LOW, HIGH = (44, 42, 42), (48, 48, 48)
QUICK = VolumeSettings(turns="small", elastic=False)


def blobs(seed, count=420):
    """Centres, widths (low voxels from the middle) and heights of Gaussian blobs."""
    random = np.random.default_rng(seed)
    centres = random.uniform(-24, 24, (count, 3))
    return centres, random.uniform(1.0, 2.2, count), random.choice([-1.0, 1.0], count)


def drawn(body, shape, matrix=None, warp=None):
    """Sample blobs on voxels that lie, as (3, 4) says, at matrix(low voxel from the middle)."""
    centres, widths, heights = body
    middle = (np.array(shape) - 1) / 2
    linear = np.eye(3) if matrix is None else matrix[:, :3]
    shift = np.zeros(3) if matrix is None else matrix[:, 3]
    inverse = np.linalg.inv(linear)
    there = centres @ linear.T + shift + middle
    wide = float(np.linalg.norm(linear, ord=2))
    out = np.zeros(shape)
    for at, centre, width, height in zip(there, centres, widths, heights, strict=True):
        reach = 4 * width * wide + (2 if warp else 0)
        box = [
            slice(max(math.ceil(a - reach), 0), max(min(math.floor(a + reach) + 1, n), 0))
            for a, n in zip(at, shape, strict=True)
        ]
        if any(part.start >= part.stop for part in box):
            continue
        grid = np.stack(np.meshgrid(*[np.arange(p.start, p.stop) for p in box], indexing="ij"), -1)
        points = grid - middle
        if warp:
            points = points - warp(points)
        away = (points - shift) @ inverse.T - centre
        out[tuple(box)] += height * np.exp(-np.sum(away**2, axis=-1) / (2 * width**2))
    return out


def pose(turn=(2.0, -1.5, 1.0), place=(1.3, -0.8, 0.6), scale=1.0, ratio=RATIO):
    """Map (3, 4) from low voxels from the middle to high ones from the middle."""
    linear = scale * ratio * rotation(np.deg2rad(turn))
    return np.column_stack([linear, -linear @ np.array(place)])


def truth(matrix, low=LOW, high=HIGH):
    """The same between indices."""
    middle = (np.array(low) - 1) / 2
    shift = matrix[:, 3] - matrix[:, :3] @ middle + (np.array(high) - 1) / 2
    return np.column_stack([matrix[:, :3], shift])


@functools.cache
def low_scan(seed=1, noise=0.05):
    """A low volume of blobs with noise."""
    random = np.random.default_rng(100 + seed)
    return drawn(blobs(seed), LOW) + noise * random.standard_normal(LOW)


@functools.cache
def high_scan(seed=1, scale=1.0, turn=(2.0, -1.5, 1.0), noise=0.1):
    """A high volume of the same blobs, of inverted contrast."""
    random = np.random.default_rng(200 + seed)
    values = drawn(blobs(seed), HIGH, pose(turn, scale=scale))
    return 300 - 40 * (values + noise * random.standard_normal(HIGH))


def off(found, exact, shape=HIGH, margin=2):
    """Rms distance over the high field, high voxels."""
    line = [np.arange(margin, n - margin, 4) for n in shape]
    points = np.stack(np.meshgrid(*line, indexing="ij"), -1).reshape(-1, 3).astype(float)
    back = np.linalg.solve(exact[:, :3], (points - exact[:, 3]).T).T
    moved = found.map(back) if hasattr(found, "map") else apply_map(found, back)
    return float(np.sqrt(np.mean(np.sum((moved - points) ** 2, axis=1))))


@functools.cache
def plain():
    """The pair as it is, registered."""
    return register_volumes(low_scan(), high_scan(), (RATIO,) * 3)


def test_a_turned_shifted_inverted_pair_is_found_and_its_error_told():
    found, exact = plain(), truth(pose())
    assert off(found, exact) < 0.1
    assert off(found, exact) <= 3 * found.error < 0.6
    assert found.correlation < -0.8
    assert found.scale == pytest.approx(1, abs=0.002)
    assert found.field is None
    assert not found.scale_held
    assert found.warnings == []
    best = found.candidates[0]
    assert best.agreeing > 0.9
    assert best.final == found.correlation
    assert np.allclose(best.place, np.array([1.3, -0.8, 0.6]) + (np.array(LOW) - 1) / 2, atol=0.1)
    assert list(found.blocks) == ["z", "y", "x", "dz", "dy", "dx", "ncc"]
    # negative control: the measure sees a map that is one high voxel off
    moved = exact.copy()
    moved[0, 3] += 1
    assert off(moved, exact) == pytest.approx(1)


def test_bytes_do_not_depend_on_threads():
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = register_volumes(low_scan(), high_scan(), (RATIO,) * 3, QUICK)
        numba.set_num_threads(min(2, before))
        two = register_volumes(low_scan(), high_scan(), (RATIO,) * 3, QUICK)
    finally:
        numba.set_num_threads(before)
    assert one.matrix.tobytes() == two.matrix.tobytes()
    assert one.error == two.error
    assert one.blocks.equals(two.blocks)


def test_simpleitk_from_there_stays_there():
    """A similarity that SimpleITK fits, from our map on, moves the field by little."""
    found = plain()
    fixed = sitk.GetImageFromArray(np.asarray(high_scan(), np.float32))
    moving = sitk.GetImageFromArray(np.asarray(low_scan(), np.float32))
    back = np.linalg.inv(found.matrix[:, :3])
    start = sitk.Similarity3DTransform()
    middle = (np.array(HIGH) - 1) / 2
    start.SetCenter(middle[::-1].tolist())
    start.SetMatrix((back[::-1, ::-1]).ravel().tolist(), 1e-4)
    place = back @ (middle - found.matrix[:, 3])
    start.SetTranslation((place - middle)[::-1].tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(0.2, 1e-3, 40)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    linear = np.array(start.GetMatrix()).reshape(3, 3)[::-1, ::-1]
    shift = np.array(start.TransformPoint((0.0, 0.0, 0.0)))[::-1]
    inverse = np.linalg.inv(linear)
    theirs = np.column_stack([inverse, -inverse @ shift])
    assert off(theirs, found.matrix) < 0.25
    assert off(found, truth(pose())) < off(theirs, truth(pose())) + 0.02


def small_pair(seed=1):
    """A pair at 2:1, whose field covers 24 low voxels along an axis."""
    return low_scan(seed)[6:38, 6:36, 6:36], drawn(blobs(1), HIGH, pose(ratio=2.0))


def test_another_object_is_refused_in_one_sentence_wherever_it_is_guessed_to_lie():
    low, high = small_pair(2)
    with pytest.raises(AcuityError, match="stones: cannot be registered: at the best place") as e:
        register_volumes(low, high, (2.0,) * 3, QUICK, place=(16, 15, 15), where="stones")
    assert "do both volumes show one region" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("axis", "said"), [(0, "the z axis of the high volume is reversed"), (2, "axis of the high")]
)
def test_a_reversed_axis_is_named(axis, said):
    low, high = small_pair()
    with pytest.raises(AcuityError, match=said):
        register_volumes(low, np.flip(high, axis), (2.0,) * 3, QUICK)


def test_a_scale_off_is_told_with_the_right_sizes():
    found = register_volumes(
        low_scan(), high_scan(scale=1.04), (RATIO,) * 3, QUICK, voxel=(9.0, "um")
    )
    assert found.scale == pytest.approx(1.04, abs=0.003)
    assert "check the voxel sizes" in found.warnings[0]
    assert "9 um" in found.warnings[0]
    with pytest.raises(AcuityError, match=r"the voxel sizes are wrong: .* allowed is a difference"):
        register_volumes(low_scan(), high_scan(scale=1.13), (RATIO,) * 3, QUICK)


def test_a_small_field_has_its_scale_held_and_says_so():
    low, high = small_pair()
    found = register_volumes(low, high, (2.0,) * 3, QUICK)
    assert found.scale_held
    assert found.scale == 1
    assert "the scale was held" in found.warnings[0]
    assert off(found, truth(pose(ratio=2.0), low.shape)) < 0.3


def test_an_affine_map_finds_a_stretch_that_a_similarity_leaves():
    matrix = pose()
    matrix[0] *= 1.015
    high = drawn(blobs(1), HIGH, matrix)
    affine, similar = (
        register_volumes(
            low_scan(), high, (RATIO,) * 3, VolumeSettings(kind, "small", elastic=False)
        )
        for kind in ("affine", "similarity")
    )
    assert off(affine, truth(matrix)) < 0.1 < off(similar, truth(matrix))


def test_any_turn_about_z_within_a_cylinder():
    matrix = pose((131.0, 1.0, -1.0), ratio=2.0)
    y, x = np.ogrid[:48, :48]
    seen = np.hypot(y - 23.5, x - 23.5) <= 23.5
    high = np.where(seen, drawn(blobs(1), HIGH, matrix), 0)
    low, _ = small_pair()
    found = register_volumes(low, high, (2.0,) * 3)
    assert off(found, truth(matrix, low.shape), margin=8) < 0.3
    # negative control: small turns alone do not find it
    with pytest.raises(AcuityError, match="cannot be registered"):
        register_volumes(low, high, (2.0,) * 3, QUICK)


def test_what_repeats_is_refused_with_its_period():
    line = np.arange(-28.0, 29, 7)
    centres = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    body = centres, np.full(len(centres), 1.6), np.ones(len(centres))
    high = drawn(body, HIGH, pose((0, 0, 0)))
    with pytest.raises(AcuityError, match=r"the object repeats every .* um"):
        register_volumes(drawn(body, LOW), high, (RATIO,) * 3, QUICK, voxel=(9.0, "um"))


def test_too_little_of_the_high_field_in_the_low_one():
    settings = VolumeSettings(turns="small", elastic=False, least_inside=0.9)
    with pytest.raises(AcuityError, match=r"only \d+ % of the high volume lies in .*least_inside"):
        register_volumes(low_scan()[14:], high_scan(), (RATIO,) * 3, settings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda low, high: (low[0], high, RATIO), "three axes"),
        (lambda low, high: (low * 0, high, RATIO), "the low volume is constant or empty"),
        (lambda low, high: (low, high * np.nan, RATIO), "not finite"),
        (lambda low, high: (low, high, 1.0), "both scans have one magnification"),
        (lambda low, high: (low, high, -1.0), "three numbers above 0"),
        (lambda low, high: (low, high[:12], RATIO), "the region is too small"),
        (lambda low, high: (low[:8], high, RATIO), "the low volume has 8 x 42 voxels"),
    ],
)
def test_bad_input(change, said):
    low, high, ratio = change(low_scan(), high_scan())
    with pytest.raises(AcuityError, match=said):
        register_volumes(low, high, (ratio,) * 3, where="pair a")


def test_a_bent_object_is_noticed_and_followed_and_a_stiff_one_is_not():
    def warp(points):
        y = 2 * np.pi * (points[..., 1] / 45 + 0.1)
        return np.stack([1.2 * np.sin(y), 0 * y, 1.2 * np.cos(y)], axis=-1)

    matrix = pose()
    high = drawn(blobs(1), HIGH, matrix, warp)
    found = register_volumes(low_scan(), high, (RATIO,) * 3)
    assert found.field is not None
    assert "bent" in found.warnings[0]
    middle = (np.array(HIGH) - 1) / 2
    line = np.arange(6, 42, 4)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3) - middle
    exact = truth(matrix)
    back = np.linalg.solve(exact[:, :3], (points - warp(points) + middle - exact[:, 3]).T).T
    rms = [
        float(np.sqrt(np.mean(np.sum((each - points - middle) ** 2, axis=1))))
        for each in (found.map(back), apply_map(found.matrix, back))
    ]
    assert rms[0] < 0.4
    assert rms[0] < 0.5 * rms[1]
    assert rms[0] <= 3 * found.error
    stiff = register_volumes(low_scan(), high, (RATIO,) * 3, QUICK)
    assert stiff.field is None


def test_where_nothing_is_common_no_block_agrees():
    low, high = (measured(v, "box", "it") for v in small_pair())
    level = Level(low, high, 1, np.full(3, 2.0))
    exact = truth(pose(ratio=2.0), (32, 30, 30))
    compared = level.compared(exact, Band(0.7, 3.0))
    assert measure_blocks(level, exact, compared, "rigid").agreeing > 0.9
    nothing = Compared(compared.low, compared.high, 0 * compared.mask, compared.axes)
    blocks = measure_blocks(level, exact, nothing, "rigid")
    assert len(blocks.centres) == 0
    assert blocks.agreeing == 0
    assert blocks.pattern() == (0, 0)
    assert len(blocks.table(exact[:, :3])) == 0


def test_neighbours_share_a_bend_and_not_noise():
    index = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    random = np.random.default_rng(5)
    noise = 0.1 * random.standard_normal((125, 3))
    smooth = 0.2 * np.sin(index @ np.array([[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]))

    def pattern(residuals):
        zeros = np.zeros((125, 3))
        ones = np.ones(125)
        return Blocks(zeros, zeros, residuals, ones, ones, index, ones, 0.1).pattern()

    assert pattern(noise)[1] < 0.1
    size, share = pattern(noise + smooth)
    assert share > 0.4
    assert size == pytest.approx(np.sqrt(np.mean(np.sum(smooth**2, 1))), rel=0.15)


def test_a_bend_is_the_bspline_of_simpleitk():
    image = sitk.Image(20, 22, 24, sitk.sitkFloat32)
    transform = sitk.BSplineTransformInitializer(image, [3, 4, 2], order=3)
    random = np.random.default_rng(6)
    transform.SetParameters(random.normal(0, 0.4, len(transform.GetParameters())).tolist())
    images = transform.GetCoefficientImages()
    bend = Bend(
        np.array(images[0].GetOrigin()[::-1]),
        np.array(images[0].GetSpacing()[::-1]),
        np.stack([sitk.GetArrayFromImage(each) for each in images[::-1]]),
    )
    points = random.uniform(0, 19, (50, 3))
    theirs = [np.array(transform.TransformPoint(p[::-1].tolist()))[::-1] for p in points]
    assert np.allclose(points + bend(points), theirs, atol=1e-6)
    axes = (np.arange(24.0), np.arange(22.0), np.arange(20.0))
    assert 0 < bend.least_jacobian(axes) < 1
    folded = Bend(bend.origin, bend.step, 30 * bend.coefficients)
    assert folded.least_jacobian(axes) < 0


def test_noise_alone_pulls_little_scale():
    """Smooth noise in either volume: the step from the truth is small."""
    random = np.random.default_rng(7)
    shape = (40, 40, 40)
    axes = tuple(np.arange(40.0) for _ in range(3))
    whole = np.ones(shape, np.float32)
    shared = drawn(blobs(3), shape)
    pulls = []
    for low_noise, high_noise in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5)):
        a, b = (
            band_passed(
                (shared + n * random.standard_normal(shape)).astype(np.float32), whole, (0.7, 3.0)
            )
            for n in (low_noise, high_noise)
        )
        system = System(Compared(a, b, whole, axes), "similarity", np.full(3, 19.5))
        normal, right = system.sums()
        pulls.append(np.linalg.solve(normal, right)[6])
    # one low voxel at the rim is a scale of .05
    assert abs(pulls[0]) < 1e-6
    assert max(map(abs, pulls)) < 7e-3
