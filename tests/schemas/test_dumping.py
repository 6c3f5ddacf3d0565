"""The short way writes what marshmallow would, for every schema and whatever it is given."""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from marshmallow import Schema, fields, post_dump, pre_dump
from marshmallow.decorators import POST_DUMP
from msgspec import Raw

import app.schemas
from app.schemas.dumping import dump_of
from app.schemas.wire import Moment

MODULES = [
    importlib.import_module(f"app.schemas.{module.name}")
    for module in pkgutil.iter_modules(app.schemas.__path__)
]
SCHEMAS = sorted(
    {
        kind
        for module in MODULES
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Schema) and kind is not Schema
    },
    key=lambda kind: (kind.__module__, kind.__name__),
)
PASSED, ROUNDS = object(), 200
INSIDE = {
    "inner": SimpleNamespace(name="inner"),
    "tokens": SimpleNamespace(access_token="a", refresh_token="r"),
    "user": SimpleNamespace(
        shown_id=7,
        username="u",
        known_email=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        disabled_at=None,
    ),
    "health": SimpleNamespace(word=SimpleNamespace(value="ok"), reason="r", remedy="m", reconnect_path=None),
}
HERE = timezone(timedelta(hours=5, minutes=30))


class Odd(Schema):
    """What none of ours has, or few."""

    renamed = fields.String(data_key="", attribute="other")
    dotted = fields.String(attribute="inner.name")
    fixed = fields.Constant(["x"])
    asked = fields.Function(lambda one: "asked")
    default = fields.Integer(dump_default=7)
    as_text = fields.Integer(as_string=True)
    email = fields.Email()
    float = fields.Float()
    texts = fields.List(fields.List(fields.String()))
    keyed = fields.Dict(keys=fields.String(), values=fields.Integer())
    numbered = fields.Dict(keys=fields.Integer())
    moments = fields.List(Moment(timespec="microseconds"))
    secret = fields.String(load_only=True)


class Hooked(Schema):
    name = fields.String()

    @pre_dump
    def _before(self, one: Any, **kwargs: Any) -> Any:
        return {"name": "before"}


class Finished(Schema):
    name = fields.String()

    @post_dump
    def _after(self, document: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {**document, "after": True}


class Outer(Schema):
    hooked = fields.Nested(Hooked)
    finished = fields.List(fields.Nested(Finished))
    several = fields.Nested(Odd, many=True)
    some = fields.Nested(Odd, only=("fixed", "default"))


def value_for(field: fields.Field[Any], chance: random.Random) -> Any:
    """Return what such a field may find, now and then something that is not of its kind."""
    pick = chance.choice
    if isinstance(field, fields.Nested):
        return [made(field.schema, chance)] * pick((0, 2)) if field.many else made(field.schema, chance)
    if isinstance(field, fields.List):
        return [value_for(field.inner, chance) for _ in range(pick((0, 1, 3)))]
    if isinstance(field, fields.Dict):
        numbers = field.value_field is None or isinstance(field.value_field, fields.Integer)
        inner: Any = fields.Integer() if numbers else field.value_field
        found = {f"{number}": value_for(inner, chance) for number in range(pick((0, 1, 3)))}
        return pick((found, MappingProxyType(found)))
    if isinstance(field, fields.Function):
        return SimpleNamespace(value="called")
    if isinstance(field, fields.Integer):
        return pick((0, 1, True, 2**70, -3, "12", 2.0))
    if isinstance(field, fields.Boolean | fields.Float):
        return pick((True, False, 1, 0, 2.0))
    if isinstance(field, Moment):
        return datetime(2026, 1, 2, 3, 4, 5, pick((0, 67)), tzinfo=pick((UTC, HERE)))
    return pick(("", "text", "Zoë \ud800", b"bytes", 5, True))


def made(schema: Schema, chance: random.Random) -> Any:
    """Return an object of one kind or another that has what the schema looks for, most of it."""
    found = {
        field.attribute or name: chance.choice((None, PASSED, *[value_for(field, chance)] * 6))
        for name, field in schema.fields.items()
        if "." not in (field.attribute or "")
    }
    found |= INSIDE
    kept = {name: value for name, value in found.items() if value is not PASSED}
    kinds: tuple[Callable[[dict[str, Any]], Any], ...] = (
        dict,
        lambda values: SimpleNamespace(**values),
        lambda values: namedtuple("Row", values)(**values),
        MappingProxyType,
    )
    return chance.choice(kinds)(kept)


def outcome(dump: Callable[[Any], Any], one: Any) -> str:
    """Return the very text of what it writes, or the kind of its failure."""
    try:
        return json.dumps(dump(one), default=lambda found: {**found})
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("kind", [*SCHEMAS, Odd, Hooked, Finished, Outer], ids=lambda kind: kind.__name__)
def test_it_writes_the_same(kind: type[Schema]) -> None:
    schema, chance = kind(), random.Random(kind.__name__)
    dump = dump_of(schema)
    found = [made(schema, chance) for _ in range(ROUNDS)]
    expected = [outcome(schema.dump, one) for one in found]
    assert [outcome(dump, one) for one in found] == expected
    assert sum(one.startswith("{") for one in expected) > ROUNDS / 10


def test_what_is_written_already_is_taken_as_it_is() -> None:
    written = Raw(b"{}")
    found = dump_of(Outer())({"hooked": written, "finished": [written, {"name": "x"}]})
    assert found == {"hooked": written, "finished": [written, {"name": "x", "after": True}]}


def test_every_field_is_written_at_least_once() -> None:
    """Else the comparison above would compare nothing. What a hook makes of it is marshmallow's anyway."""
    for kind in [kind for kind in SCHEMAS if not kind._hooks[POST_DUMP]]:
        schema, chance, seen = kind(), random.Random(1), set()
        for _ in range(ROUNDS):
            try:
                seen |= dump_of(schema)(made(schema, chance)).keys()
            except Exception:
                continue
        assert seen == {field.data_key or name for name, field in schema.dump_fields.items()}, kind
