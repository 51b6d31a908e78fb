"""What methods share whose restoring network learns against a discriminator."""

from acuity.methods.base import LearnedMethod


class AdversarialMethod(LearnedMethod):
    """A restoring network and a ``discriminator``, which learns in some of the steps.

    Its settings have ``adversarial`` (false, or 0: without discriminator), ``pretrain`` (updates
    before it is listened to), ``every`` (updates of the restoring network for one of it) and, where
    it learns before, ``prepare`` (the last updates of the pretraining).

    Attributes
    ----------
    step : int
        The step that is taken.
    """

    step = 0

    def networks_to_update(self, step: int) -> tuple[str, ...]:
        """Return the discriminator, where it is its turn, and the restoring network."""
        self.step = step
        s = self.settings
        behind = step - s.pretrain
        early = -getattr(s, "prepare", 0) <= behind < 0
        both = s.adversarial and (early or behind % s.every == 0 <= behind)
        return ("discriminator", self.restorer) if both else (self.restorer,)
