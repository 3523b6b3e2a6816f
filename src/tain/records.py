"""Immutable values with named fields: what `dataclasses` does, without the import that it costs.

`dataclasses` imports `inspect`, and both together take twice as long as all the rest of `import tain`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_flags):
        return lambda cls: cls


class _Fields:
    """The fields for `dataclasses.fields` and `dataclasses.replace`, made when somebody asks."""

    def __get__(self, _instance: object, owner: type[Record]) -> Mapping[str, Field[Any]]:
        import dataclasses

        rows = [
            (name, str(owner.types[name]), dataclasses.field(default=owner.defaults[name]))
            if name in owner.defaults
            else (name, str(owner.types[name]), dataclasses.field())
            for name in owner.names
        ]
        twin = dataclasses.make_dataclass(owner.__name__, rows, kw_only=True)
        return {field.name: field for field in dataclasses.fields(twin)}


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of the values. Two are equal when their classes and fields are; a value can be hashed if its fields can."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _Fields()
    #: The fields in their order, their annotations, and the defaults of those that have one.
    names: ClassVar[tuple[str, ...]] = ()
    types: ClassVar[Mapping[str, object]] = {}
    defaults: ClassVar[Mapping[str, object]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: kind for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar")}
        cls.types = {**cls.types, **own}
        cls.names = tuple(cls.types)
        cls.defaults = {**cls.defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}
        words = [f"{name}=_defaults[{name!r}]" if name in cls.defaults else name for name in cls.names]
        lines = "".join(f" values[{name!r}] = {name}\n" for name in cls.names)
        code = f"def __init__(self, *, {', '.join(words)}):\n values = self.__dict__\n{lines}" if words else ""
        scope: dict[str, Any] = {"_defaults": cls.defaults}
        exec(code, scope)  # Only the names of fields, which are identifiers, are in the text.
        if words and "__init__" not in vars(cls):
            init = scope["__init__"]
            init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
            init.__annotations__ = dict(cls.types)
            type.__setattr__(cls, "__init__", init)

    def replace(self, **changes: object) -> Self:
        """A copy with other values for the fields in *changes*. Errors: `TypeError` for a name that is no field."""
        return type(self)(**{**self.__dict__, **changes})

    def __replace__(self, **changes: object) -> Self:
        return self.replace(**changes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: use replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, value in self.__dict__.items()
            if name not in self.defaults or self.defaults[name] != value
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
