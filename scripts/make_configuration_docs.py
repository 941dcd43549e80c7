"""Write docs/configuration.md from the schema: ``python -m scripts.make_configuration_docs``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from configs.experiment import ExperimentConfig
from configs.load import TASKS

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
HEAD = """# Configuration

Every key of an experiment's YAML file. This page is made from the schema in `configs/` by
`python -m scripts.make_configuration_docs`; the same models configure the Python API.

Units are your own, consistent ones: with length in metre, mass in kilogram and time in second, pressure is in pascal.
Each task has the keys of every experiment and its own. Any key can be replaced on the command line, its value written
in YAML:

    diffmpm run sphere_to_rabbit mpm.dt=0.002 render.width=256 cameras.orbit.count=8
"""
UNIT = re.compile(r"\s*Unit: (.*?)\.?$")


def page() -> str:
    """The whole page, Markdown: what all tasks share, then each task's own keys and sections."""
    shared = ExperimentConfig.model_json_schema()
    parts = [HEAD, *_part("Every experiment", shared, {})]
    for task, config in TASKS.items():
        schema = config.model_json_schema()
        parts += _part(f"`task: {task}`", schema, shared["properties"])
    return "\n".join(parts).replace("``", "`")


def _part(title: str, schema: dict, known: dict) -> Iterator[str]:
    """A schema's own keys, then its sections, each once under all its names; without what is ``known``."""
    own = {name: field for name, field in schema["properties"].items() if name not in known}
    yield from _table(title, schema | {"properties": own})
    keys: dict[str, list[str]] = {}
    for key, section in _sections({"properties": own}, "", schema["$defs"]):
        keys.setdefault(section, []).append(f"`{key}`{_choice(schema['$defs'][section])}")
    for section, names in keys.items():
        yield from _table(", ".join(dict.fromkeys(names)), schema["$defs"][section])


def _sections(schema: dict, prefix: str, definitions: dict) -> Iterator[tuple[str, str]]:
    """Dotted key and name of every section below one."""
    for name, field in schema["properties"].items():
        for section in _references(field):
            yield prefix + name, section
            yield from _sections(definitions[section], f"{prefix}{name}.", definitions)


def _choice(section: dict) -> str:
    """The word, without a default, by which a section is chosen among others."""
    words = [f" with `{name}: {section['properties'][name]['const']}`" for name in section.get("required", [])
             if "const" in section["properties"][name]]  # fmt: skip
    return "".join(words)


def _table(title: str, schema: dict) -> Iterator[str]:
    """A section's own keys."""
    yield f"## {title}\n\n{schema['description'].strip()}\n"
    yield "| key | accepted | default | unit | meaning |\n| --- | --- | --- | --- | --- |"
    for name, field in schema["properties"].items():
        yield _row(name, field, name in schema.get("required", []))
    yield ""


def _row(name: str, field: dict, required: bool) -> str:
    text = " ".join(field["description"].split())
    unit = UNIT.search(text)
    default = "required" if required else "" if _is_section(field) else f"`{json.dumps(field['default'])}`"
    cells = (f"`{name}`", _accepted(field), default, unit[1] if unit else "", UNIT.sub("", text))
    return "| " + " | ".join(cells).replace("\n", " ") + " |"


def _is_section(field: dict) -> bool:
    return "$ref" in field or ("oneOf" in field and all(map(_is_section, field["oneOf"])))


def _references(field: dict) -> list[str]:
    """Names of the sections in a field that is one, may be one or another, or lists them."""
    if "$ref" in field:
        return [field["$ref"].rsplit("/", 1)[1]]
    items = field.get("items")
    inner = [*field.get("anyOf", []), *field.get("oneOf", []), *([items] if isinstance(items, dict) else [])]
    return [name for part in inner for name in _references(part)]


def _accepted(field: dict) -> str:
    if _is_section(field):
        return "keys"
    if "anyOf" in field:
        return " or ".join(map(_accepted, field["anyOf"]))
    if "prefixItems" in field:
        return f"{len(field['prefixItems'])} × {_accepted(field['prefixItems'][0])}"
    if field.get("type") == "array":
        return f"list of {_accepted(field['items'])}"
    if words := field.get("enum", [field["const"]] if "const" in field else []):
        return ", ".join(f"`{word}`" for word in words)
    names = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    return names.get(field["type"], field["type"]) + _bounds(field)


def _bounds(field: dict) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {field[name]:g}" for name, sign in signs.items() if name in field)


if __name__ == "__main__":
    PAGE.write_text(page())
