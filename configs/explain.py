"""A pydantic error in the user's words: dotted key, what is wrong, what is accepted."""

import difflib
import json
import typing
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ValidationError

_WORDS = {
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "a text",
}


def explain(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """The first wrong key, dotted, and a line that begins with it and ends with the other wrong keys."""
    problems: dict[str, list] = {}
    for item in error.errors():
        problems.setdefault(_key(item["loc"], model), []).append(item)
    (key, items), *others = problems.items()
    more = f" (wrong too: {', '.join(other for other, _ in others)})" if others else ""
    message = _message(items, model)
    separator = "" if not key else " " if message.startswith("is ") else ": "
    return key, f"{key}{separator}{message}{more}"


def _key(loc: Iterable[str | int], model: type[BaseModel]) -> str:
    """The dotted key; pydantic's names of union branches are left out."""
    return ".".join(str(part) for part, written, _ in _walk(loc, model) if written)


def _message(items: list, model: type[BaseModel]) -> str:
    """One item, or one for each branch of a union."""
    kind = items[0]["type"]
    if kind == "extra_forbidden":
        *_, (name, _, owner) = _walk(items[0]["loc"], model)
        return _unknown(str(name), owner)
    if kind == "missing":
        return "is missing; it has no default"
    if kind == "value_error":
        return str(items[0]["ctx"]["error"])
    if kind == "union_tag_invalid":  # a word that chooses the section
        words = items[0]["ctx"]["expected_tags"].replace("'", "").removesuffix(", custom")
        return f"there is no {items[0]['ctx']['tag']}; expected one of {words}"
    if kind == "union_tag_not_found":
        return f"has no {items[0]['ctx']['discriminator']}; expected the word that chooses the section"
    value = json.dumps(items[0]["input"], ensure_ascii=False, default=str)
    return f"is {value}; expected {' or '.join(dict.fromkeys(map(_accepted, items)))}"


def _accepted(item) -> str:
    kind = item["type"]
    words = _WORDS.get(kind) or item["msg"].removeprefix("Input should be ")
    return f"a number {words}" if kind.startswith(("greater", "less")) else words


def _unknown(name: str, owner: type[BaseModel]) -> str:
    known = list(owner.model_fields)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown key; {hint}expected one of {', '.join(known)}"


def _walk(loc: Iterable[str | int], model: type[BaseModel]) -> Iterator[tuple[str | int, bool, type[BaseModel]]]:
    """Each part of a location, whether the user wrote it, and the section that it belongs to."""
    owners: list[type[BaseModel]] = [model]
    parts = list(loc)
    for n, part in enumerate(parts):
        chosen = [owner for owner in owners if _is_chosen_by(owner, part)]
        if len(owners) > 1 and chosen:  # before the fields: a section may have one of the name of a word
            owners = chosen
            yield part, False, chosen[0]
            continue
        owner = next((owner for owner in owners if part in owner.model_fields), owners[0] if owners else model)
        if owners and part in owner.model_fields:
            yield part, True, owner
            owners = _sections_in(owner.model_fields[str(part)].annotation)
        else:
            # An integer is an index; any other name here is a branch of a union or an unknown key.
            yield part, isinstance(part, int) or bool(owners and not chosen and n == len(parts) - 1), owner


def _is_chosen_by(section: type[BaseModel], word: str | int) -> bool:
    """Whether a field of the section accepts this word alone."""
    return any(typing.get_args(field.annotation) == (word,) for field in section.model_fields.values())


def _sections_in(annotation) -> list[type[BaseModel]]:
    """The sections in ``Section``, ``Section | None``, ``A | B`` or ``tuple[Section, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in typing.get_args(annotation) for section in _sections_in(argument)]
