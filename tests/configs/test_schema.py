"""Every field says what it means, in which unit; the page of all keys is up to date."""

import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from configs.load import TASKS
from scripts.make_configuration_docs import PAGE, page


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from sections(part)


def parts(annotation) -> Iterator:
    """The types that an annotation is made of, Literal values left out."""
    yield annotation
    if typing.get_origin(annotation) is not typing.Literal:
        for argument in typing.get_args(annotation):
            yield from parts(argument)


FIELDS = {
    f"{section.__name__}.{name}": field
    for config in TASKS.values()
    for section in sections(config)
    for name, field in section.model_fields.items()
}


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_documented(name):
    field = FIELDS[name]
    assert field.description
    assert field.description.strip().endswith(".")
    if {int, float} & set(parts(field.annotation)):
        assert "Unit: " in field.description


@pytest.mark.parametrize(
    "section", sorted({s for config in TASKS.values() for s in sections(config)}, key=lambda s: s.__name__)
)
def test_section_is_documented_and_strict(section):
    assert section.__doc__
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"]


def test_configuration_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run python -m scripts.make_configuration_docs"
