"""What a restoration method is: its settings, the task that it is built for, and its interface.

A method restores a tile on the target's grid. It says how far its output reaches into the input
(halo), on which raster tiles must start (stride), whether a tile suffices at all (local) and how
much finer its output is than its input (scale). A learned method also builds its networks and
gives the losses of a batch. Everything else (sampling, the training loop, checkpoints, tiling,
blending, streaming, devices) lives outside, once for all methods.

Adding a method is adding one module to this package that ends in ``METHOD = ItsClass``.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from acuity.assumptions import Assumes
from acuity.errors import AcuityError


def setting(default, description, unit="none", **limits):
    """Declare one setting: its default, what it is, and its unit.

    Parameters
    ----------
    default : object
        Value where a study gives none; ``...`` where it must.
    description : str
        What it is, in one line.
    unit : str
        Unit of the value; ``"1"`` for counts and fractions, ``"none"`` where it is no quantity.
    **limits
        Passed to `pydantic.Field`, for example ``gt=0``.

    Returns
    -------
    pydantic.fields.FieldInfo
    """
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Section(BaseModel):
    """Part of a method's settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_switches(cls, values):
        # pydantic would take true for the number 1.
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            items = value if isinstance(value, list) else [value]
            found = [item for item in items if isinstance(item, bool)]
            switch = field is None or any(
                word in repr(field.annotation) for word in ("bool", "False")
            )
            if found and not switch:
                raise ValueError(
                    f"{name}: found {str(found[0]).lower()}, as which YAML reads yes, no, on and off; "
                    "allowed is a number or a text, a word in quotes"
                )
        return values


class TrainSettings(Section):
    """How a network is trained."""

    steps: int = setting(3000, "Updates of the network", "1", ge=1)
    batch: int = setting(4, "Patches in a step", "1", ge=1)
    patch: tuple[int, int, int] = setting(
        (5, 128, 128), "Size of a training patch (z, y, x) on the input's grid", "voxel"
    )
    learning_rate: float = setting(1e-3, "Learning rate at the start", "1", gt=0)
    schedule: Literal["constant", "cosine", "step", "inverse_sqrt"] = setting(
        "constant",
        "Course of the learning rate: constant, cosine to zero, halved in steps, or falling with "
        "the square root of the epochs",
    )
    halve_every: int = setting(
        200_000, "With schedule step: updates between two halvings", "1", ge=1
    )
    epoch: int = setting(484, "With schedule inverse_sqrt: updates of an epoch", "1", ge=1)
    decay_every: int = setting(
        1, "With schedule inverse_sqrt: epochs between two changes of the learning rate", "1", ge=1
    )
    warm_up: int = setting(
        0, "Updates over which the learning rate rises from zero at the start", "1", ge=0
    )
    loss: Literal["mse", "l1"] = setting("mse", "Mean squared or mean absolute error")
    validation_fraction: float = setting(
        0.05, "Share of the slices held out to judge the network while it learns", "1", ge=0, lt=0.5
    )
    validate_every: int = setting(250, "Updates between two validations", "1", ge=1)
    validation_patches: int = setting(16, "Patches of a validation", "1", ge=1)
    keep: Literal["best", "last"] = setting(
        "best", "Keep the network with the lowest validation loss, or the last one"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to train")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto",
        "Arithmetic of the network; auto takes bfloat16 where it is faster and agrees with float32",
    )
    checkpoint_seconds: float = setting(60.0, "Time between two checkpoints", "s", ge=0)
    processes: int = setting(
        1,
        "Processes that share each batch, on GPUs each on one of its own; for networks that learn by "
        "the mean error alone",
        "1",
        ge=1,
        le=64,
    )

    @model_validator(mode="after")
    def _positive(self):
        if self.batch % self.processes:
            raise ValueError(
                f"batch must be a multiple of processes ({self.processes}); found {self.batch}"
            )
        if min(self.patch) < 1:
            raise ValueError(f"patch must be at least 1 voxel along each axis; found {self.patch}")
        return self


class ImageTrainSettings(TrainSettings):
    """How a network is trained on images: patches of one slice."""

    patch: tuple[int, int, int] = setting(
        (1, 128, 128), "Size of a training patch (1, y, x) on the input's grid", "voxel"
    )
    ema: float = setting(
        0.0,
        "Decay of a moving average of the restoring network's weights, which is then judged and "
        "kept; 0: none",
        "1",
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _one_slice(self):
        if self.patch[0] != 1:
            raise ValueError(f"patch must have one slice, (1, y, x); found {self.patch}")
        return self


class PredictSettings(Section):
    """How a volume is restored tile by tile."""

    tiling: Literal["exact", "blended"] = setting(
        "exact",
        "exact: tiles with a halo of the receptive field, equal to the whole volume bit for bit; "
        "blended: overlapping tiles averaged with triangular weights",
    )
    tile: tuple[int, int, int] = setting(
        (32, 704, 704), "Largest tile (z, y, x), halo included, on the input's grid", "voxel"
    )
    overlap: int = setting(
        32, "Blended tiling: how far a tile reaches beyond its part on each side", "voxel", ge=0
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to predict")
    precision: Literal["auto", "float32"] = setting(
        "auto",
        "Arithmetic of the network; auto takes what its training found fastest and recorded, float32 "
        "gives the same bytes after any training that ended with the same weights",
    )

    @model_validator(mode="after")
    def _positive(self):
        if min(self.tile) < 1:
            raise ValueError(f"tile must be at least 1 voxel along each axis; found {self.tile}")
        if self.tiling == "blended" and min(self.tile[1:]) <= 2 * self.overlap:
            raise ValueError(
                f"tile must exceed twice the overlap ({self.overlap}) in y and x; found {self.tile}"
            )
        return self


class Settings(Section):
    """Settings of a method; a method adds its own.

    Keys of ``train`` concern training alone and those of ``predict`` prediction alone, so that a
    change of one need not rerun the other.
    """

    nlm_before_threshold: bool = setting(
        False, "Non-local means filter before the restored volume is thresholded"
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data):
        # A study that sets one key of a section keeps the method's own defaults for the others.
        if isinstance(data, dict):
            data = dict(data)
            for name, field in cls.model_fields.items():
                if isinstance(field.default, Section) and isinstance(data.get(name), dict):
                    data[name] = {**field.default.model_dump(), **data[name]}
        return data

    def for_training(self):
        """Settings that decide the weights: all but ``predict`` and segmentation's."""
        return self.model_dump(mode="json", exclude={"predict", "nlm_before_threshold"})

    def for_prediction(self):
        """Settings that decide the restored volume, the weights given."""
        return self.model_dump(mode="json", exclude={"train", "nlm_before_threshold"})


class LearnedSettings(Settings):
    """Settings of a learned method."""

    train: TrainSettings = setting(TrainSettings(), "How the network is trained")
    predict: PredictSettings = setting(PredictSettings(), "How volumes are restored")


@dataclass(frozen=True)
class Task:
    """What a method is asked to restore.

    Attributes
    ----------
    level : float
        Strength of the degradation: the blur's standard deviation in voxels of the target's grid.
    scale : tuple of int
        Whole factors (z, y, x) between the low-resolution grid and the target's.
    phase : tuple of float, optional
        Where low-resolution voxel (0, 0, 0) lies, counted in voxels (z, y, x) from the target's
        first one: 0 to factor - 1. None becomes (factor - 1) / 2, the middle of a block that was
        averaged; a slice kept by decimation lies elsewhere.
    """

    level: float = 1.0
    scale: tuple[int, int, int] = (1, 1, 1)
    phase: tuple[float, float, float] | None = None

    def __post_init__(self):
        scale = tuple(int(f) for f in self.scale)
        if len(scale) != 3 or min(scale) < 1:
            raise AcuityError(
                f"scale {tuple(self.scale)} must be three whole factors (z, y, x) of 1 or more"
            )
        object.__setattr__(self, "scale", scale)
        middle = tuple((f - 1) / 2 for f in scale)
        phase = middle if self.phase is None else tuple(float(p) for p in self.phase)
        if len(phase) != 3 or not all(0 <= p <= f - 1 for p, f in zip(phase, scale, strict=True)):
            raise AcuityError(
                f"phase {tuple(self.phase)} must be three numbers (z, y, x) from 0 to the factor "
                f"less 1; the scale is {scale}"
            )
        object.__setattr__(self, "phase", phase)

    @property
    def axial(self):
        """Whether the level is a number of slices that became one, and no blur."""
        return self.scale == (self.level, 1, 1) and self.level > 1


class Method:
    """A restoration method, built for one task.

    Attributes
    ----------
    Settings : type
        The settings it understands.
    assumes : acuity.assumptions.Assumes
        What it takes for granted of the volume that it restores.
    learned : bool
        Whether it is trained.
    interpolates : bool
        Whether it does nothing but bring the input onto a finer grid.
    centred : bool
        Whether low-resolution voxels count as the middle of their blocks when the input is
        interpolated, whatever the task's phase.
    axial : bool
        Whether it refines z alone, by a factor above 1.
    local : bool
        Whether a tile with its halo gives the same result as the whole volume. A method that is
        not local is handed blocks of whole planes with a halo that makes the rest negligible.
    interpolation : str
        Kernel that brings the input onto the target's grid before `restore` (``nearest``,
        ``linear``, ``cubic``, ``cubic_opencv`` or ``lanczos``), for the part of the task's scale
        that the method itself lacks.
    stack : int or None
        Slices of a 2.5D method: it maps that many slices onto as many, stacks are moved by one
        slice, and the estimates of a slice are averaged. None for two- and three-dimensional tiles.
    spacing : int
        Slices from one slice of a stack to the next.
    scale : tuple of int
        How much finer (z, y, x) its output is than its input.
    halo, stride : tuple of int
        Voxels (z, y, x) of its input beyond a tile that reach into the tile, and the raster on
        which tiles must start. For a learned method both are found from its network.
    """

    Settings: ClassVar[type[Settings]] = Settings
    assumes: ClassVar[Assumes] = Assumes()
    learned: ClassVar[bool] = False
    interpolates: ClassVar[bool] = False
    centred: ClassVar[bool] = False
    axial: ClassVar[bool] = False
    local: ClassVar[bool] = True
    interpolation: ClassVar[str] = "cubic"
    stack: ClassVar[int | None] = None

    def __init__(self, settings=None, task=None):
        if not isinstance(settings, self.Settings):
            settings = check_settings(type(self), settings or {})
        self.settings = settings
        self.task = task or Task()
        self.spacing = 1
        self.scale = (1, 1, 1)
        self.halo = (0, 0, 0)
        self.stride = (1, 1, 1)

    @property
    def depth(self):
        """Slices that a stack spans."""
        return (self.stack - 1) * self.spacing + 1 if self.stack else None

    @classmethod
    def name(cls):
        """Name of the method: that of its module."""
        return cls.__module__.rsplit(".", 1)[-1]

    def restore(self, tile):
        """Restore one tile.

        Parameters
        ----------
        tile : numpy.ndarray
            float32 (z, y, x), the input on the method's own input grid, halo included.

        Returns
        -------
        numpy.ndarray
            float32, the tile's shape times `scale`.
        """
        raise NotImplementedError


class LearnedMethod(Method):
    """A method with networks that are trained.

    Batches are float32 tensors, normalised to zero mean and unit standard deviation: (n, z, y, x)
    for a 2.5D method, whose slices are channels, and (n, 1, z, y, x) for a 3D one.

    Attributes
    ----------
    symmetries : str
        Flips and turns that training patches are drawn in; see `acuity.train.sampling.Sampler`.
    restorer : str
        Name of the network that restores.
    learns : str
        ``patches``: from patches of pairs of volumes; ``planes``: from XY planes of one volume
        (`acuity.train.planes`), and it restores XZ and YZ planes; ``fit``: it has no network and
        no steps but `fit`, from pairs of volumes.
    thinnest : int
        Slices of its input that it needs at least.
    recorded : tuple of str
        Losses beside ``loss`` that the history lists; for a network that is not the restorer its
        name is its loss.
    normalisation : str
        ``each``: input and target by their own mean and standard deviation; ``shared``: both by
        the target's, so that an input that is added to the output keeps its intensities;
        ``range``: both by their common least and greatest value, to 0 to 1; ``own``: both by the
        low volume's own mean and standard deviation, of each volume apart, so that its brightness
        and contrast do not matter; the target must be on the low volume's intensity scale.
    layout : str
        Memory layout of a 3D method's training.
    """

    Settings: ClassVar[type[Settings]] = LearnedSettings
    assumes: ClassVar[Assumes] = Assumes(
        values="the training's", size="the network's raster and stack"
    )
    learned: ClassVar[bool] = True
    symmetries: ClassVar[Literal["none", "upright", "in_plane", "volume"]] = "in_plane"
    normalisation: ClassVar[Literal["each", "shared", "range", "own"]] = "each"
    layout: ClassVar[Literal["contiguous", "channels_last"]] = "contiguous"
    restorer: ClassVar[str] = "network"
    learns: ClassVar[Literal["patches", "planes", "fit"]] = "patches"
    thinnest: ClassVar[int] = 1
    recorded: ClassVar[tuple[str, ...]] = ()

    def build(self):
        """Build the networks, with weights drawn from torch's random state.

        Returns
        -------
        dict of str to torch.nn.Module
            The one named by `restorer` restores; a GAN has more.
        """
        raise NotImplementedError

    def optimizers(self, networks):
        """One optimizer for each network: Adam as the studies use it, unless overridden."""
        import torch

        return {
            name: torch.optim.Adam(network.parameters(), lr=self.settings.train.learning_rate)
            for name, network in networks.items()
        }

    def phases(self, step):
        """Names of the networks that are updated in a step, in order."""
        return (self.restorer,)

    def rate(self, phase, step, scheduled):
        """Learning rate of a network in a step, where the schedule of the study gives another."""
        return scheduled

    def losses(self, phase, networks, batch):
        """Losses of a batch.

        Parameters
        ----------
        phase : str
            The network that is to be updated.
        networks : dict of str to torch.nn.Module
            The networks.
        batch : dict of str to torch.Tensor
            ``low``, ``target`` and ``mask`` (1 inside the field of view, broadcast to the target).

        Returns
        -------
        dict of str to torch.Tensor
            ``loss`` is minimised; others are only recorded.
        """
        restored = networks[self.restorer](batch["low"]).float()
        return {
            "loss": masked_loss(restored, batch["target"], batch["mask"], self.settings.train.loss)
        }

    def fit(self, pairs, seed):
        """Learn at once, for a method that ``learns`` by ``fit``.

        Parameters
        ----------
        pairs : list of acuity.train.sampling.Pair
            Volumes; the low one on the method's input grid.
        seed : int
            Seed.

        Returns
        -------
        dict of str to numpy.ndarray
            What was learned; saved as the model and given to `use`.
        """
        raise NotImplementedError

    def use(self, arrays):
        """Take what `fit` gave, set `halo` and `stride`, and be ready to `restore`."""
        raise NotImplementedError


def masked_loss(restored, target, mask, kind):
    """Mean squared (``mse``) or absolute (``l1``) error over the voxels where the mask is 1."""
    error = restored - target
    error = error.abs() if kind == "l1" else error * error
    return (error * mask).sum() / mask.expand_as(error).sum().clamp(min=1.0)


def check_settings(method, settings):
    """Check a method's settings; a mistake is said in one sentence.

    Parameters
    ----------
    method : type
        A method's class.
    settings : dict
        Settings as a study gives them.

    Returns
    -------
    Settings

    Raises
    ------
    AcuityError
        Naming the method and the key.
    """
    try:
        found = method.Settings(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"settings of {method.name()}" + (f", key {key}" if key else "")
        raise AcuityError(
            f"{where}: {first['msg']}; found {first.get('input')!r}; "
            f"allowed keys are {', '.join(method.Settings.model_fields)}"
        ) from None
    processes = getattr(getattr(found, "train", None), "processes", 1)
    if processes > 1 and method.losses is not LearnedMethod.losses:
        raise AcuityError(
            f"settings of {method.name()}, key train.processes: found {processes}; its loss is more "
            "than a mean over voxels, which processes could share: allowed is 1"
        )
    return found


def known():
    """Names of the methods that there are, sorted."""
    folder = [str(Path(__file__).parent)]
    return sorted(
        module.name
        for module in pkgutil.iter_modules(folder)
        if not module.ispkg and module.name != "base"
    )


def split_training(name):
    """Split the name of a training into its method and its seed.

    Parameters
    ----------
    name : str
        NAME or NAME@VARIANT, of a further training with +SEED behind.

    Returns
    -------
    method : str
    seed : int or None
        None of the study's own training.
    """
    method, _, seed = name.partition("+")
    return method, int(seed) if seed else None


def module_name(name):
    """Name the module of a method: ``deepnet`` of ``deepnet@wide`` and of ``deepnet@wide+2``.

    Parameters
    ----------
    name : str
        As a study has it, NAME or NAME@VARIANT, with +SEED behind where it is a further training.

    Returns
    -------
    str
    """
    return split_training(name)[0].partition("@")[0]


def load(name):
    """Find a method by its name.

    This is the only dynamic import of the package: a rule that runs a method depends on the code
    of that method and of no other.

    Parameters
    ----------
    name : str
        As for `module_name`.

    Returns
    -------
    type
        The method's class.

    Raises
    ------
    AcuityError
        If there is none of that name.
    """
    names, name = known(), module_name(name)
    if name not in names:
        raise AcuityError(f"unknown method {name!r}; known methods are {', '.join(names)}")
    return importlib.import_module(f"acuity.methods.{name}").METHOD
