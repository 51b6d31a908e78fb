"""Settings: how one is declared, and how a flat mapping of them is handed to a function."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


def setting(default: Any, description: str, unit: str = "none", **limits: Any) -> Any:
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


class _Keys(dict):
    """What a section's class declares: a key that stands there twice would lose its first meaning."""

    def __setitem__(self, key, value):
        if isinstance(value, FieldInfo) and isinstance(self.get(key), FieldInfo):
            raise TypeError(f"declares the key {key!r} twice")
        super().__setitem__(key, value)


class _Declared(ModelMetaclass):
    @classmethod
    def __prepare__(cls, name, bases, **options):
        return _Keys(super().__prepare__(name, bases, **options))


class Section(BaseModel, metaclass=_Declared):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_switches(cls, values: Any) -> Any:
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


def call(function: Callable, *given: Any, **flat: Any) -> Any:
    """Call a function with its settings given key by key.

    Parameters
    ----------
    function : callable
        Each of its parameters that is annotated with a settings class, a frozen dataclass or a
        `Section`, is made of the keys that are fields of that class.
    *given, **flat
        Its other arguments, and the settings.

    Returns
    -------
    object
        What the function returns.
    """
    parameters = list(inspect.signature(function).parameters.values())[len(given) :]
    for name, kind in ((p.name, p.annotation) for p in parameters if p.name not in flat):
        if dataclasses.is_dataclass(kind):
            keys = [field.name for field in dataclasses.fields(kind)]
        else:
            keys = getattr(kind, "model_fields", None)
        if keys is not None:
            flat[name] = kind(**{key: flat.pop(key) for key in keys if key in flat})
    return function(*given, **flat)
