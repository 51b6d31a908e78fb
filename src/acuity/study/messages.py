"""Mistakes of a study, each in one sentence that says what was found and what is allowed."""

import datetime
import difflib
import json
import math
import reprlib
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

_LONGEST_PATH = 1000
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


def sentence(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """Say the first of pydantic's errors in one sentence."""
    first = error.errors()[0]
    # Keys are in lower case; what begins with a capital is the class that pydantic tried.
    location = [
        str(part)
        for part in first["loc"]
        if not str(part).startswith(("function-", "constrained-", "literal"))
        and not str(part)[:1].isupper()
    ]
    key = ".".join([prefix, *location] if prefix else location)
    found = first.get("input")
    if first["type"] == "invalid_key":
        return f"key {key}: found a key that is no word; allowed are words"
    if first["type"] == "extra_forbidden":
        return unknown(location[-1], key, model, location[:-1])
    said = f"key {key!r}: found {short(found)}"
    message = first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "tuple_type":
            return f"{said}; allowed is a list of values in square brackets"
        case "dict_type" | "model_type":
            fields = _fields_at(model, location)
            or_else = "".join(
                f"{other['ctx']['expected'].lower()} or "
                for other in error.errors()
                if other["type"] == "literal_error" and other["loc"][:1] == first["loc"][:1]
            )
            keys = f" of the keys {', '.join(fields)}" if fields else " of keys to values"
            return f"{said}; allowed is {or_else}a mapping{keys}"
        case "missing":
            return f"key {key!r} is missing: {_description_at(model, location)}"
        case "value_error":
            known_place = not key or message.startswith(("methods.", "key "))
            return message if known_place else f"key {key!r}: {message}"
        case "string_type" if location[-1:] == ["[key]"]:
            place = ".".join(location[:-2] if len(location) > 2 else location[:-1])
            return f"key {place!r}: found {short(found)} for the name of a key; allowed are words, in quotes where YAML reads something else"
        case "string_type" if isinstance(found, (int, float, datetime.date)):
            return f"{said}; input should be a valid string, put it in quotes"
        case "string_pattern_mismatch":
            return f"{said}; allowed are letters, digits, '.', '_' and '-', the first a letter or digit"
    return f"{said}; {message[:1].lower()}{message[1:]}"


def unknown(name: str, key: str, model: type[BaseModel], location: Sequence[str] = ()) -> str:
    """Say that a key is not known, and which ones are."""
    allowed = _fields_at(model, location)
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"key {short(key)} is not known{hint}; allowed here: {', '.join(allowed)}"


def short(value: object) -> str:
    """A value as an error shows it: in one line, however large it is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, datetime.date):
        return str(value)
    shown = _REPR.repr(value)
    return shown if len(shown) < 80 else shown[:77] + "..."


def place(path: object) -> str:
    """A path as an error shows it: whole, but for what no file system has."""
    return repr(str(path)) if len(str(path)) <= _LONGEST_PATH else short(str(path))


def _fields_at(model, location):
    for part in location:
        annotation = getattr(model.model_fields.get(part), "annotation", None)
        options = [annotation, *getattr(annotation, "__args__", ())]
        sections = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return list(model.model_fields)


def _description_at(model, location):
    fields = _fields_at(model, location[:-1])
    if location and location[-1] in fields:
        for part in location[:-1]:
            model = model.model_fields[part].annotation
        description = getattr(model, "model_fields", {}).get(location[-1])
        if description is not None and description.description:
            return description.description[:1].lower() + description.description[1:]
    return "it must be given"
