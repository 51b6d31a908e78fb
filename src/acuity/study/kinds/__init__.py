"""The kinds of study, one module each; adding one is adding a module that ends in ``KIND = ItsClass``."""

import importlib
import pkgutil


def kind_of(project):
    """Find the kind that a study is of.

    Parameters
    ----------
    project : acuity.study.project.Project

    Returns
    -------
    acuity.study.kinds.base.Kind
    """
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"
    )
    kinds = [importlib.import_module(f"{__name__}.{name}").KIND for name in names]
    (found,) = [kind for kind in kinds if kind.applies(project.study)]
    return found(project)
