"""Names of types that methods with networks share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# What a method's losses are made of, by name: networks, tensors of a batch, losses.
Networks = Mapping[str, "torch.nn.Module"]
Tensors = Mapping[str, "torch.Tensor"]
