"""Immutable values with named fields: what `dataclasses` does, without the import that it costs.

`dataclasses` imports `inspect`, and both together take twice as long as all the rest of `import tain`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field
    from inspect import Signature
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_flags):
        return lambda cls: cls


class _Fields:
    """The fields for `dataclasses.fields` and `dataclasses.replace`, made when somebody asks."""

    def __get__(self, _instance: object, owner: type[Record]) -> Mapping[str, Field[Any]]:
        import dataclasses

        rows = [
            (name, str(owner._types[name]), dataclasses.field(default=owner._defaults[name]))
            if name in owner._defaults
            else (name, str(owner._types[name]), dataclasses.field())
            for name in owner._names
        ]
        twin = dataclasses.make_dataclass(owner.__name__, rows, kw_only=True)
        return {field.name: field for field in dataclasses.fields(twin)}


class _Parameters:
    """The parameters for `inspect.signature`: keywords with their annotations and defaults."""

    def __get__(self, _instance: object, owner: type[Record]) -> Signature:
        from inspect import Parameter, Signature

        return Signature(
            [
                Parameter(
                    name,
                    Parameter.KEYWORD_ONLY,
                    default=owner._defaults.get(name, Parameter.empty),
                    annotation=owner._types[name],
                )
                for name in owner._names
            ]
        )


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of the values. Two are equal when their classes and fields are; a value can be hashed if its fields can."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _Fields()
        __signature__ = _Parameters()
    #: The fields in their order, their annotations, and the defaults of those that have one.
    _names: ClassVar[tuple[str, ...]] = ()
    _types: ClassVar[Mapping[str, object]] = {}
    _defaults: ClassVar[Mapping[str, object]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: kind for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar")}
        cls._types = {**cls._types, **own}
        cls._names = tuple(cls._types)
        cls._defaults = {**cls._defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}
        if "__init__" in vars(cls) or not cls._names:
            return
        words = [f"{name}=_defaults[{name!r}]" if name in cls._defaults else name for name in cls._names]
        lines = "".join(f" values[{name!r}] = {name}\n" for name in cls._names)
        code = f"def __init__(self, *, {', '.join(words)}):\n values = self.__dict__\n{lines}"
        scope: dict[str, Any] = {"_defaults": cls._defaults}
        exec(code, scope)  # Only the names of fields, which are identifiers, are in the text.
        init = scope["__init__"]
        init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
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
            if name not in self._defaults or self._defaults[name] != value
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
