"""Plain JSON data as frozen dataclasses and back: a record is taken whole or not at all.

Types that a field may have: str, int, float, bool, None, Any, Literal, another record, and lists,
dicts with text keys and unions of these; `Annotated[float, FINITE]` and `Annotated[int, COUNT]` are
narrower. A field with a default may be missing; a key that no field has is a newer writer's and is
passed over.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast

from jepa_compare.runs.untrusted import MOST_KEYS, Damaged, quoted, shown

FINITE, COUNT = "finite", "at least 0"
T = TypeVar("T")
_Decoder = Callable[[Any], Any]
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # as our files spell them
_INT64 = 2**63
_SCALARS = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


class _Wrong(Exception):
    """What is wrong with a value, and where below the record it stands."""

    def __init__(self, reason: str, path: tuple[str, ...] = ()) -> None:
        self.reason, self.path = reason, path

    def inside(self, key: object) -> "_Wrong":
        return _Wrong(self.reason, (shown(key), *self.path))


def encode(record: Any) -> dict[str, Any]:
    """The record as plain data, keys in the order of its fields."""
    return {field.name: _plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def decode(kind: type[T], data: Any, name: str) -> T:
    """The record `kind` that `data` holds. Raises `Damaged`, which names the file `name`, the place
    and what is wrong, where anything is missing or of another type."""
    try:
        return cast(T, _record(kind)(data))
    except _Wrong as wrong:
        raise Damaged(
            f"{name}: {'.'.join(wrong.path)} {wrong.reason}".replace(":  ", " ")
        ) from None


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
    hints = typing.get_type_hints(kind, include_extras=True)
    missing = dataclasses.MISSING
    fields = [
        (
            field.name,
            _decoder(hints[field.name]),
            field.default is not missing or field.default_factory is not missing,
        )
        for field in dataclasses.fields(kind)
    ]

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _Wrong("is not an object")
        values: dict[str, Any] = {}
        for key, decoder, optional in fields:
            if key in data:
                try:
                    values[key] = decoder(data[key])
                except _Wrong as wrong:
                    raise wrong.inside(key) from None
            elif not optional:
                raise _Wrong(f"has no {key}")
        return kind(**values)

    return read


@functools.cache
def _decoder(hint: Any) -> _Decoder:
    """What checks and converts a value of the annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if dataclasses.is_dataclass(hint):
        return _record(cast(type, hint))
    if origin is Annotated:
        return _narrow(_decoder(arguments[0]), arguments[1])
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is list:
        return _list(arguments[0])
    if origin is dict:
        return _dict(_decoder(arguments[1]))
    return _float if hint is float else _exactly(hint)


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int and abs(value) < _INT64:
        return float(value)
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    raise _Wrong(f"is {quoted(value)}, not a number")


def _exactly(kind: type) -> _Decoder:
    def read(value: Any) -> Any:
        if type(value) is not kind or (kind is int and not -_INT64 <= value < _INT64):
            raise _Wrong(f"is {quoted(value)}, not {_SCALARS[kind]}")
        return value

    return read


def _narrow(decoder: _Decoder, rule: str) -> _Decoder:
    def read(value: Any) -> Any:
        number = decoder(value)
        if not (math.isfinite(number) if rule == FINITE else number >= 0):
            raise _Wrong(f"is {quoted(value)}, not {rule}")
        return number

    return read


def _literal(allowed: tuple[Any, ...]) -> _Decoder:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise _Wrong(f"is {quoted(value)}, not one of {', '.join(allowed)}")
        return value

    return read


def _union(arguments: tuple[Any, ...]) -> _Decoder:
    """`X | None`, or a union of text, numbers and truth values, which are told apart by type."""
    others = [hint for hint in arguments if hint is not types.NoneType]
    optional = len(others) < len(arguments)
    if len(others) == 1:
        decoder = _decoder(others[0])
        return lambda value: None if optional and value is None else decoder(value)
    allowed = set(arguments)

    def read(value: Any) -> Any:
        if float in allowed and isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if type(value) not in allowed or (type(value) is int and abs(value) >= _INT64):
            raise _Wrong(f"is {quoted(value)}, not {' or '.join(_SCALARS[k] for k in others)}")
        return value

    return read


def _list(hint: Any) -> _Decoder:
    item = _decoder(hint)
    # Nearly all that is read are long lists of numbers: their types are checked all at once.
    finite = hint == Annotated[float, FINITE]
    scalars = {float} if finite else {hint, *typing.get_args(hint)} - {int}

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Wrong("is not a list")
        if set(map(type, value)) <= scalars and not (finite and not all(map(math.isfinite, value))):
            return value
        entries: list[Any] = []
        try:
            for entry in value:
                entries.append(item(entry))
        except _Wrong as wrong:
            raise wrong.inside(len(entries)) from None
        return entries

    return read


def _dict(item: _Decoder) -> _Decoder:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong("is not an object")
        if len(value) > MOST_KEYS:
            raise _Wrong(f"has more than {MOST_KEYS} keys")
        entries: dict[str, Any] = {}
        for key, entry in value.items():
            try:
                entries[key] = item(entry)
            except _Wrong as wrong:
                raise wrong.inside(key) from None
        return entries

    return read
