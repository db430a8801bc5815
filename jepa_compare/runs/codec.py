"""Plain JSON data as frozen dataclasses and back: a record is taken whole or not at all.

Types that a field may have: str, int, float, bool, None, Any, Literal, another record, and lists,
dicts with text keys and unions of these. A field with a default may be missing; a key that no field
has is a newer writer's and is passed over.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, cast

from jepa_compare.runs.untrusted import Damaged, quoted

T = TypeVar("T")
_Decoder = Callable[[Any, str], Any]
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # as our files spell them


def encode(record: Any) -> dict[str, Any]:
    """The record as plain data, keys in the order of its fields."""
    return {field.name: _plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def decode(kind: type[T], data: Any, name: str) -> T:
    """The record `kind` that `data` holds. Raises `Damaged`, which names the file or part `name`
    and what is wrong, where anything is missing or of another type."""
    return cast(T, _record(kind)(data, name))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return encode(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@functools.cache
def _record(kind: type) -> _Decoder:
    hints = typing.get_type_hints(kind)
    fields = [
        (field.name, _decoder(hints[field.name]), _optional(field))
        for field in dataclasses.fields(kind)
    ]

    def read(data: Any, name: str) -> Any:
        if not isinstance(data, dict):
            raise Damaged(f"{name} is not an object")
        values: dict[str, Any] = {}
        for key, decoder, optional in fields:
            if key in data:
                values[key] = decoder(data[key], f"{name}: {key}")
            elif not optional:
                raise Damaged(f"{name} has no {key}")
        return kind(**values)

    return read


def _optional(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


@functools.cache
def _decoder(hint: Any) -> _Decoder:
    """What checks and converts a value of the annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value, name: value
    if dataclasses.is_dataclass(hint):
        return _record(cast(type, hint))
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is list:
        return _list(_decoder(arguments[0]))
    if origin is dict:
        return _dict(_decoder(arguments[1]))
    if hint is float:
        return _float
    return _exactly(hint)


def _float(value: Any, name: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    raise Damaged(f"{name} is {quoted(value)}, not a number")


def _exactly(kind: type) -> _Decoder:
    what = {str: "text", int: "a whole number", bool: "true or false"}[kind]

    def read(value: Any, name: str) -> Any:
        if type(value) is not kind:
            raise Damaged(f"{name} is {quoted(value)}, not {what}")
        return value

    return read


def _literal(allowed: tuple[Any, ...]) -> _Decoder:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise Damaged(f"{name} is {quoted(value)}, not one of {', '.join(allowed)}")
        return value

    return read


def _union(arguments: tuple[Any, ...]) -> _Decoder:
    """Of unions only `X | None`, and numbers beside text or truth values."""
    optional = type(None) in arguments
    decoders = [_decoder(hint) for hint in arguments if hint is not type(None)]

    def read(value: Any, name: str) -> Any:
        if optional and value is None:
            return None
        for decoder in decoders[:-1]:
            try:
                return decoder(value, name)
            except Damaged:
                continue
        return decoders[-1](value, name)

    return read


def _list(item: _Decoder) -> _Decoder:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise Damaged(f"{name} is not a list")
        if item is _float and set(map(type, value)) <= {float}:  # by far the most frequent
            return value
        return [item(entry, name) for entry in value]

    return read


def _dict(item: _Decoder) -> _Decoder:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise Damaged(f"{name} is not an object")
        return {key: item(entry, f"{name}.{key}") for key, entry in value.items()}

    return read
