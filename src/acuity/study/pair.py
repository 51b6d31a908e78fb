"""The pair section of a study: images or volumes of one field at two magnifications."""

from typing import Any, Self

from pydantic import field_validator, model_validator

from acuity.errors import AcuityError
from acuity.pair.blocks import parse_block
from acuity.pair.settings import PairSettings, VolumePairSettings
from acuity.settings import setting

NONE = "none"


class Pair(PairSettings, VolumePairSettings):
    """Images, or volumes, of one field at two magnifications: how they are registered, what is held out."""

    volumes: bool | None = setting(
        None,
        "Whether the pairs are volumes; by default the shape of the files decides, and files in a bucket, "
        "into which nothing looks before they are fetched, are taken for images",
    )
    held_out: str | None = setting(
        None,
        "Pairs of volumes: slices of the low volume that no model learns from and that are judged, such as "
        "'x 100:140', the last one not among them; none: no slices; by default the last quarter along the "
        "longest axis where the sheet has no test sample",
        "voxel of the low volume",
    )
    learned: str | None = setting(
        None,
        "Pairs of volumes: slices that models learn from, such as 'x 0:93'; by default all on the longer "
        "side of what is held out, less a gap of a receptive field",
        "voxel of the low volume",
    )

    @field_validator("held_out", "learned")
    @classmethod
    def _blocks(cls, value: str | None) -> str | None:
        if value is None or value == NONE:
            return value
        try:
            return str(parse_block(value, "slices"))
        except AcuityError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        shared = PairSettings.model_fields.keys() & VolumePairSettings.model_fields.keys()
        own = (VolumePairSettings.model_fields.keys() | {"held_out", "learned"}) - shared
        theirs = PairSettings.model_fields.keys() - shared
        others = {None: set(), True: theirs, False: own}[self.volumes]
        if stated := sorted(others & self.model_fields_set):
            what, other = ("volumes", "images") if self.volumes else ("images", "volumes")
            raise ValueError(
                f"{', '.join(stated)}: found in a study of pairs of {what}; allowed with pairs of {other} "
                "alone, leave it out"
            )
        if self.learned == NONE:
            raise ValueError("learned: found none; allowed are slices, such as 'x 0:93'")
        if self.learned is not None and self.held_out in (None, NONE):
            raise ValueError("learned: found without held_out; state both, or held_out alone")
        if self.learned is not None and self.held_out is not None:
            learned, held = parse_block(self.learned), parse_block(self.held_out)
            apart = learned.stop <= held.start or held.stop <= learned.start
            if learned.axis != held.axis or not apart:
                raise ValueError(
                    f"learned: found {learned} beside held_out {held}; allowed are slices of the same axis "
                    "of which none is held out"
                )
        return self

    def of_images(self) -> dict[str, Any]:
        """Return what the registration of images is told."""
        return self.model_dump(mode="json", include=set(PairSettings.model_fields))

    def of_volumes(self) -> dict[str, Any]:
        """Return what the registration of volumes is told."""
        told = self.model_dump(mode="json", include=set(VolumePairSettings.model_fields))
        if "max_scale_error" not in self.model_fields_set:  # images have a smaller one
            told["max_scale_error"] = VolumePairSettings.model_fields["max_scale_error"].default
        return told
