import numba
import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st

from acuity.errors import AcuityError
from acuity.filters import gaussian, gaussian_kernel


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 24)] * 3),
    sigma=st.tuples(*[st.sampled_from([0.0, 0.4, 1.0, 2.5, 6.0])] * 3),
    truncate=st.sampled_from([3.5, 4.0]),
)
def test_equals_scipy(shape, sigma, truncate):
    volume = np.random.default_rng(sum(shape)).random(shape, np.float32) + 0.5
    expected = ndi.gaussian_filter(
        volume.astype(np.float64), sigma, mode="reflect", truncate=truncate
    )
    np.testing.assert_allclose(gaussian(volume, sigma, truncate=truncate), expected, rtol=1e-5)


def test_other_borders_would_differ():
    volume = np.random.default_rng(0).random((9, 9, 9), np.float32)
    mirrored = ndi.gaussian_filter(volume, 2.0, mode="mirror")
    assert np.abs(gaussian(volume, 2.0) / mirrored - 1).max() > 1e-3


def test_threads_and_slabs_give_the_same_bytes():
    volume = np.random.default_rng(1).random((40, 33, 29), np.float32)
    whole = gaussian(volume, (2.0, 1.5, 3.0))
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert gaussian(volume, (2.0, 1.5, 3.0)).tobytes() == whole.tobytes()
    finally:
        numba.set_num_threads(before)
    halo = 8
    slab = gaussian(volume[10 - halo : 25 + halo], (2.0, 1.5, 3.0))[halo:-halo]
    assert slab.tobytes() == whole[10:25].tobytes()
    short = gaussian(volume[10 - 4 : 25 + 4], (2.0, 1.5, 3.0))[4:-4]
    assert short.tobytes() != whole[10:25].tobytes()  # too thin a halo shows


def test_input_is_left_alone_and_types_are_taken():
    volume = (np.arange(60).reshape(3, 4, 5) % 7).astype(np.uint8)
    copy = volume.copy()
    out = gaussian(volume[:, ::-1], 1.0)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(volume, copy)
    np.testing.assert_allclose(out[:, ::-1], gaussian(volume, 1.0), rtol=1e-6)
    readonly = volume.astype(np.float32)
    readonly.flags.writeable = False
    np.testing.assert_array_equal(gaussian(readonly, 1.0), gaussian(volume, 1.0))
    same = gaussian(readonly, 0.0)
    assert same is not readonly
    np.testing.assert_array_equal(same, readonly)


def test_kernel_sums_to_one():
    w = gaussian_kernel(3.3).astype(np.float64)
    assert len(w) == int(4 * 3.3 + 0.5) + 1
    assert w[0] + 2 * w[1:].sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("sigma", [-1.0, np.nan, (1.0, 2.0), (1.0, -1.0, 1.0)])
def test_bad_sigma(sigma):
    with pytest.raises(AcuityError, match="sigma"):
        gaussian(np.zeros((3, 3, 3), np.float32), sigma)


def test_bad_shape():
    with pytest.raises(AcuityError, match="2 axes"):
        gaussian(np.zeros((3, 3), np.float32), 1.0)
