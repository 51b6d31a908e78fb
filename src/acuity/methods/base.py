"""What a restoration method is: its settings, the task that it is built for, and its interface.

A method restores a tile on the target's grid. It says how far its output reaches into the input
(halo), on which raster tiles must start (stride), whether a tile suffices at all (local) and how
much finer its output is than its input (scale). A learned method also builds its networks and
gives the losses of a batch. Everything else (sampling, the training loop, checkpoints, tiling,
blending, streaming, devices) lives outside, once for all methods.

Adding a method is adding one module to this package that ends in ``METHOD = ItsClass``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from acuity.assumptions import Assumes
from acuity.errors import AcuityError, require
from acuity.made_for import Accepted
from acuity.methods.networks.aliases import Networks, Tensors
from acuity.plugins import declared, modules
from acuity.settings import Section, setting

if TYPE_CHECKING:
    import torch


class _Preset(Section):
    about: ClassVar[str]

    @classmethod
    def preset(cls, about: str = "", **defaults: Any) -> Any:
        """Declare a section of a method's settings, with the method's own defaults.

        Parameters
        ----------
        about : str
            What the section is, in one line; what the class says of it by default.
        **defaults
            Those that differ from the class's.
        """
        return setting(cls(**defaults), about or cls.about)


class TrainSettings(_Preset):
    """How a network is trained."""

    about = "How the network is trained"

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


class PredictSettings(_Preset):
    """How a volume is restored tile by tile."""

    about = "How volumes are restored"

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


# Settings that decide neither the weights nor, the weights given, the restored volume.
_NOT_RESTORING = {"nlm_before_threshold", "model", "accept"}


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

    def for_training(self) -> dict[str, Any]:
        """Return the settings that decide the weights: all but ``predict`` and segmentation's."""
        return self.model_dump(mode="json", exclude={"predict", *_NOT_RESTORING})

    def for_prediction(self) -> dict[str, Any]:
        """Return the settings that decide the restored volume, the weights given."""
        return self.model_dump(mode="json", exclude={"train", *_NOT_RESTORING})

    def pick(self, *names: str) -> dict[str, Any]:
        """Return some of the settings by their names, as keyword arguments of a network."""
        return {name: getattr(self, name) for name in names}


_Model = Annotated[str, Field(min_length=1)]
_Chain = Annotated[tuple[_Model, ...], Field(min_length=2, max_length=8)]


class ModelSettings(Settings):
    """Settings of a method that learns, or takes what it learned in another study."""

    model: _Model | _Chain | None = setting(
        None,
        "A trained model to take instead of training: the folder of its model.safetensors and model.json, "
        "relative to the study file; {level} stands for the level; several are a chain of models of pairs of "
        "volumes, applied in turn, the coarsest first",
    )
    accept: tuple[Accepted, ...] = setting(
        (),
        "In what a volume to restore may differ from what the model was made for; pages then say so",
    )


class LearnedSettings(ModelSettings):
    """Settings of a method with networks that learn."""

    train: TrainSettings = TrainSettings.preset()
    predict: PredictSettings = PredictSettings.preset()


class FitSettings(Section):
    """How a method learns at once, and is judged."""

    validation_fraction: float = setting(
        0.05,
        "Share of the slices, the last ones, or of the images, held out to judge what was learned",
        "1",
        ge=0,
        lt=0.5,
    )


class FittedSettings(ModelSettings):
    """Settings of a method that learns at once."""

    train: FitSettings = setting(FitSettings(), "How it learns")
    predict: PredictSettings = PredictSettings.preset()


@dataclass(frozen=True)
class Task:
    """What a method is asked to restore.

    Attributes
    ----------
    level : float
        Strength of the degradation: the blur's standard deviation in voxels of the target's grid.
    scale : tuple of int
        Whole factors (z, y, x) between the low-resolution grid and the target's.
    offset : tuple of float, optional
        Where low-resolution voxel (0, 0, 0) lies, counted in voxels (z, y, x) from the target's
        first one: 0 to factor - 1. None becomes (factor - 1) / 2, the middle of a block that was
        averaged; a slice kept by decimation lies elsewhere.
    """

    level: float = 1.0
    scale: tuple[int, ...] = (1, 1, 1)
    offset: Any = None

    def __post_init__(self) -> None:
        scale = tuple(int(f) for f in self.scale)
        if len(scale) != 3 or min(scale) < 1:
            raise AcuityError(
                f"scale {tuple(self.scale)} must be three whole factors (z, y, x) of 1 or more"
            )
        object.__setattr__(self, "scale", scale)
        middle = tuple((f - 1) / 2 for f in scale)
        offset = middle if self.offset is None else tuple(map(float, self.offset))
        if len(offset) != 3 or not all(0 <= p <= f - 1 for p, f in zip(offset, scale, strict=True)):
            raise AcuityError(
                f"phase {tuple(self.offset)} must be three numbers (z, y, x) from 0 to the factor "
                f"less 1; the scale is {scale}"
            )
        object.__setattr__(self, "offset", offset)

    @property
    def axial(self) -> bool:
        """Whether the level is a number of slices that became one, and no blur."""
        return self.scale == (self.level, 1, 1) and self.level > 1


@dataclass(frozen=True)
class MethodJob:
    """A method, and what it is to undo.

    Attributes
    ----------
    method_name : str
        A method of ``acuity.methods``.
    settings : dict
        Its settings.
    level : float
        Strength of the degradation: standard deviation of the blur in voxels of the target's grid.
    scale : tuple of int
        Whole factors (z, y, x) between the low-resolution grid and the target's.
    phase : tuple of float, optional
        Where the low-resolution volume's first voxel lies on the target's grid, in its voxels
        (z, y, x); the middle of a block, (factor - 1) / 2, by default. The task's `offset`.
    """

    method_name: str
    settings: Mapping[str, Any]
    level: float
    scale: Sequence[int] = (1, 1, 1)
    phase: Sequence[float] | None = None

    @property
    def task(self) -> Task:
        """The task that the method is built for."""
        return Task(float(self.level), tuple(self.scale), self.phase)


def scaled(box: Iterable[slice], factors: Iterable[int]) -> tuple[slice, ...]:
    """Return the box of a finer grid that covers the same place.

    Parameters
    ----------
    box : sequence of slice
        Region of the coarse grid.
    factors : sequence of int
        How much finer, by axis.

    Returns
    -------
    tuple of slice
        With the same steps: of each coarse slice that is left out none is taken.
    """
    return tuple(
        slice(part.start * f, part.stop * f, part.step)
        for part, f in zip(box, factors, strict=True)
    )


@dataclass
class TrainingPair:
    """A pair of volumes in memory, to learn from.

    Attributes
    ----------
    low, target : numpy.ndarray
        float32 (z, y, x); the target's shape is the low one's times the method's scale.
    name : str
        The files, for errors.
    mask : numpy.ndarray, optional
        (z, y, x) on the target's grid, not 0 where voxels are learned from.
    own : dict, optional
        ``mean`` and ``std`` of the low volume on its own grid.
    full : float, optional
        For random degradation: intensity that counts as 255.
    """

    low: np.ndarray
    target: np.ndarray
    name: str = ""
    mask: np.ndarray | None = None
    own: dict[str, float] | None = None
    full: float | None = None


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
    has_network : bool
        Whether it is trained in steps, and runs on a GPU where there is one.
    by_planes : bool
        Whether it restores XZ and YZ planes; see `PlanesMethod`.
    interpolates : bool
        Whether it does nothing but bring the input onto a finer grid; see `Interpolation`.
    centred : bool
        Whether low-resolution voxels count as the middle of their blocks when the input is
        interpolated, whatever the task's offset.
    axial : bool
        Whether it refines z alone, by the task's factor, which must exceed 1.
    local : bool
        Whether a tile with its halo gives the same result as the whole volume. A method that is
        not local is handed blocks of whole planes with a halo that makes the rest negligible.
    interpolation : str
        Kernel that brings the input onto the target's grid before `restore` (``nearest``,
        ``linear``, ``cubic``, ``cubic_opencv`` or ``lanczos``), for the part of the task's scale
        that the method itself lacks.
    slices_per_stack : int or None
        Slices of a 2.5D method: it maps that many slices onto as many, stacks are moved by one
        slice, and the estimates of a slice are averaged. None for two- and three-dimensional tiles.
    spacing : int
        Slices from one slice of a stack to the next.
    axes : tuple of int
        Those of (z, y, x) that its network convolves over; slices of a stack are channels.
    scale : tuple of int
        How much finer (z, y, x) its output is than its input.
    halo, stride : tuple of int
        Voxels (z, y, x) of its input beyond a tile that reach into the tile, and the raster on
        which tiles must start. For a learned method both are found from its network.
    """

    Settings: ClassVar[type[Settings]] = Settings
    assumes: ClassVar[Assumes] = Assumes()
    learned: ClassVar[bool] = False
    has_network: ClassVar[bool] = False
    by_planes: ClassVar[bool] = False
    interpolates: ClassVar[bool] = False
    centred: bool = False
    axial: ClassVar[bool] = False
    local: ClassVar[bool] = True
    interpolation: ClassVar[str] = "cubic"
    slices_per_stack: int | None = None
    settings: Any  # of the class `Settings`

    def __init__(
        self, settings: Section | Mapping[str, Any] | None = None, task: Task | None = None
    ) -> None:
        if not isinstance(settings, self.Settings):
            settings = check_settings(type(self), settings or {})
        self.settings = settings
        self.task = task or Task()
        self.spacing = 1
        self.scale: tuple[int, ...] = (self.task.scale[0], 1, 1) if self.axial else (1, 1, 1)
        self.halo: tuple[int, ...] = (0, 0, 0)
        self.stride: tuple[int, ...] = (1, 1, 1)
        self.set_up()

    def set_up(self) -> None:
        """Set what follows from the settings and the task; nothing by default."""

    @property
    def depth(self) -> int | None:
        """Slices that a stack spans."""
        return (self.slices_per_stack - 1) * self.spacing + 1 if self.slices_per_stack else None

    @property
    def axes(self) -> tuple[int, ...]:
        """Those of (z, y, x) that its network convolves over."""
        return (1, 2) if self.slices_per_stack else (0, 1, 2)

    @classmethod
    def name(cls) -> str:
        """Return the name of the method: that of its module."""
        return cls.__module__.rsplit(".", 1)[-1]

    def restore(self, tile: np.ndarray) -> np.ndarray:
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


class Interpolation(Method):
    """A method that does nothing but bring the input onto the target's grid, as the engine does."""

    interpolates = True

    def restore(self, tile: np.ndarray) -> np.ndarray:
        """Return the tile, which is already on the target's grid."""
        return tile


class LearnedMethod(Method):
    """A method with networks that are trained, from patches of pairs of volumes.

    Batches are float32 tensors, normalised to zero mean and unit standard deviation: (n, z, y, x)
    for a 2.5D method, whose slices are channels, and (n, 1, z, y, x) for a 3D one.

    Attributes
    ----------
    symmetries : str
        Flips and turns that training patches are drawn in; see `acuity.engine.sampling.Sampler`.
    restorer : str
        Name of the network that restores.
    min_slices : int
        Slices of its input that it needs at least.
    logged_losses : tuple of str
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
    learned = True
    has_network = True
    symmetries: Literal["none", "upright", "in_plane", "volume"] = "in_plane"
    normalisation: Literal["each", "shared", "range", "own"] = "each"
    layout: ClassVar[Literal["contiguous", "channels_last"]] = "contiguous"
    restorer: ClassVar[str] = "network"
    min_slices: int = 1
    logged_losses: ClassVar[tuple[str, ...]] = ()

    def build(self) -> Networks:
        """Build the networks, with weights drawn from torch's random state.

        Returns
        -------
        dict of str to torch.nn.Module
            The one named by `restorer` restores; a GAN has more.
        """
        raise NotImplementedError

    def optimizers(self, networks: Networks) -> dict[str, "torch.optim.Optimizer"]:
        """Return one optimizer for each network: Adam as the studies use it, unless overridden."""
        import torch

        return {
            name: torch.optim.Adam(network.parameters(), lr=self.settings.train.learning_rate)
            for name, network in networks.items()
        }

    def networks_to_update(self, step: int) -> tuple[str, ...]:
        """Return the names of the networks that are updated in a step, in order."""
        return (self.restorer,)

    def rate(self, network: str, step: int, scheduled: float) -> float:
        """Return the learning rate of a network in a step, where the schedule of the study gives another."""
        return scheduled

    def losses(self, network: str, networks: Networks, batch: Tensors) -> Tensors:
        """Return the losses of a batch.

        Parameters
        ----------
        network : str
            Name of the network that is to be updated.
        networks : dict of str to torch.nn.Module
            The networks.
        batch : dict of str to torch.Tensor
            ``low``, ``target`` and ``mask`` (1 inside the field of view, broadcast to the target).

        Returns
        -------
        dict of str to torch.Tensor
            ``loss`` is minimised; others are only logged.
        """
        from acuity.methods.networks.losses import masked_loss

        restored = networks[self.restorer](batch["low"]).float()
        kind = self.settings.train.loss
        return {"loss": masked_loss(restored, batch["target"], batch["mask"], kind)}


class PlanesMethod(LearnedMethod):
    """A method that learns from XY planes of one volume and restores XZ and YZ planes.

    Both are merged into one volume; see `acuity.engine.plane_sampling` and `acuity.engine.planes`.
    Its settings say by ``planes`` of which volume the planes are: ``target`` or ``low``.

    Attributes
    ----------
    side : int
        Side of a sub-image on the target's grid: a multiple of the factor.
    """

    by_planes = True
    axes = (0, 2)

    @property
    def side(self) -> int:
        """Side of a sub-image on the target's grid: a multiple of the factor."""
        side = self.settings.train.patch[1]
        return side - side % self.scale[0]


class ImageMethod(LearnedMethod):
    """A method that learns from single images, each normalised by its own mean and deviation."""

    symmetries = "upright"
    normalisation = "own"
    assumes = Assumes(
        single="the mean and the deviation by which the volume is normalised follow them",
        size="the network's raster",
    )
    slices_per_stack = 1


class FittedMethod(LearnedMethod):
    """A method without a network, which learns at once from pairs of volumes.

    Attributes
    ----------
    low : dict or None
        Mean and standard deviation of the volumes that it learned from, where they matter.
    """

    low: Any = None
    Settings: ClassVar[type[Settings]] = FittedSettings
    has_network = False

    def fit(self, pairs: Sequence[TrainingPair], seed: int) -> dict[str, np.ndarray]:
        """Learn at once.

        Parameters
        ----------
        pairs : list of TrainingPair
            Volumes; the low one on the method's input grid.
        seed : int
            Seed.

        Returns
        -------
        dict of str to numpy.ndarray
            What was learned; saved as the model and given to `use`.
        """
        raise NotImplementedError

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `fit` gave, set `halo` and `stride`, and be ready to `restore`."""
        raise NotImplementedError

    def __call__(self, tile: np.ndarray) -> np.ndarray:
        """Restore a tile, as the runner of a network does."""
        return self.restore(tile)


def check_settings(method: type[Method], settings: Any) -> Any:
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
    if processes > 1 and getattr(method, "losses", None) is not LearnedMethod.losses:
        raise AcuityError(
            f"settings of {method.name()}, key train.processes: found {processes}; its loss is more "
            "than a mean over voxels, which processes could share: allowed is 1"
        )
    return found


def known() -> list[str]:
    """Return the names of the methods that there are, sorted."""
    return list(modules(__package__))


def split_training(name: str) -> tuple[str, int | None]:
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


def module_name(name: str) -> str:
    """Return the module of a method: ``deepnet`` of ``deepnet@wide`` and of ``deepnet@wide+2``.

    Parameters
    ----------
    name : str
        As a study has it, NAME or NAME@VARIANT, with +SEED behind where it is a further training.

    Returns
    -------
    str
    """
    return split_training(name)[0].partition("@")[0]


def load(name: str) -> Any:
    """Find a method by its name.

    A rule that runs a method depends on the code of that method and of no other.

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
        If there is none of that name, or its file is none that can be loaded.
    """
    names, name = known(), module_name(name)
    require(name in names, f"unknown method {name!r}; known methods are {', '.join(names)}")
    return declared(__package__, name, "METHOD", "a method")
