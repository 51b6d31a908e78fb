"""Settings: handed over key by key, and each default in one place."""

import sys
from dataclasses import asdict, dataclass

import numpy as np
import pytest

from acuity.degrade.degrade import Degradation
from acuity.degrade.images import DEFAULTS
from acuity.errors import AcuityError
from acuity.measure.gaps import GapSettings
from acuity.settings import Section, call, setting
from acuity.simulate import specimens
from acuity.simulate.specimen import Outputs, specimen
from acuity.simulate.specimens.base import known
from acuity.study.degrade import Degrade, RandomDegradation
from acuity.study.measure import Gaps
from acuity.volume import open_volume


@dataclass(frozen=True)
class Blur:
    sigma: float = 1.0
    photons: float | None = None


class Noise(Section):
    noise: float = setting(0.5, "Noise", "1", ge=0)


def made(image, blur: Blur, noise: Noise, *, seed, name=""):
    return image, blur, noise, seed, name


def test_settings_are_put_together_of_their_keys():
    assert call(made, 1, sigma=2.0, noise=Noise(noise=3), seed=4) == (
        1, Blur(2.0), Noise(noise=3.0), 4, ""
    )  # fmt: skip
    assert call(made, 1, Blur(5.0), seed=4, name="x")[1:] == (Blur(5.0), Noise(), 4, "x")
    with pytest.raises(TypeError, match="sigmas"):
        call(made, 1, sigmas=2.0, seed=4)
    with pytest.raises(TypeError, match="seed"):
        call(made, 1)


def test_what_stands_in_a_study_and_beside_a_function_is_the_same():
    """Where the study must not load a function's module, its defaults stand a second time."""
    gaps = Gaps().model_dump()
    assert {key: asdict(GapSettings())[key] for key in gaps} == gaps
    study, library = Degrade(), Degradation(sigma=1.0)
    assert study.downsample == library.downsample
    assert (study.photons, study.noise) == (library.photons, library.noise_sd)
    assert RandomDegradation().model_dump() == DEFAULTS


GRATING = """
import numpy as np
from acuity.simulate.specimens.base import Specimen

class Grating(Specimen):
    title = "lines"
    shape, pixel_size, spot, dwell, detected = (64, 72), 10.0, 12.0, 20.0, 0.006

    def draw(self, *, origin, end, shape, step, seed):
        x = origin[1] + step * np.arange(shape[1])
        return np.broadcast_to(0.5 + 0.4 * np.sin(x / 40), shape).astype(np.float32), None

SPECIMEN = Grating
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in which kinds of specimen are looked for too."""
    monkeypatch.setattr(specimens, "__path__", [*specimens.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("grating", "broken"):
        sys.modules.pop(f"{specimens.__name__}.{name}", None)


def test_a_kind_of_specimen_is_one_file(folder):
    (folder / "grating.py").write_text(GRATING)
    assert list(known()) == ["gold", "grating", "hydrogel"]
    names = ("high.ome.zarr", "low.ome.zarr", "particles.tsv", "warp.tsv")
    outputs = Outputs(*(folder / name for name in names))
    step = call(specimen, "grating", outputs, seed=1, noise=False)
    assert step["kind"] == "grating"
    assert (step["layout"], step["surface"], step["damage"]) == ({}, {}, {})
    image = open_volume(outputs.high).read()[0]
    assert image.shape == (64, 72)
    assert np.ptp(image.mean(axis=0)) > 100


def test_a_kind_that_cannot_be_used_is_named_by_its_file(folder):
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(AcuityError, match=r"broken\.py: cannot be used as a kind of specimen"):
        known()
