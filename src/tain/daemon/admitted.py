"""A client that may use its module, as data: the facts for the rest of its connection (spec: daemon 4).

The value has a text form, so that another process can continue the connection. It holds no password and no descriptor.
"""

from __future__ import annotations

from tain.daemon.access import Peer
from tain.daemon.sections import Section, Variables, defaults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.parameters import Value

#: Names, values and early input are bytes: each byte is one character of the text.
_BYTES = "latin-1"


class Admitted:
    """The facts about an admitted client."""

    __slots__ = ("access", "announced", "early_input", "number", "peer", "protocol", "section", "user")

    def __init__(
        self,
        section: Section,
        peer: Peer,
        *,
        protocol: int,
        announced: int,
        number: int,
        user: bytes = b"",
        access: str = "",
        early_input: bytes = b"",
    ) -> None:
        #: The module, with the variables of this connection.
        self.section = section
        self.peer = peer
        self.protocol = protocol
        #: The number in the client's own greeting.
        self.announced = announced
        #: Stands for the connection in the log (``[pid]``, ``%p``).
        self.number = number
        #: The name that logged in; empty without ``auth users``.
        self.user = user
        #: ``ro`` or ``rw`` when the user's rule says so.
        self.access = access
        #: What the client sent for ``early exec``.
        self.early_input = early_input

    def publish(self, name: bytes, value: bytes) -> None:
        """Set a variable for the configuration and the hooks of this connection."""
        self.section.variables.connection[name] = value

    def encode(self) -> bytes:
        """The facts as JSON."""
        import json

        section = self.section
        usual = defaults()
        values: dict[str, Value] = {}
        for name, value in section.values.items():
            inherited = section.fallback[name] if value is None else value
            if value is None and isinstance(inherited, bytes):
                value = inherited
            if value != usual[name]:
                values[name] = value
        facts = {
            "module": _text(section.name),
            "values": {name: _text(value) if isinstance(value, bytes) else value for name, value in values.items()},
            "variables": {_text(name): _text(value) for name, value in section.variables.connection.items()},
            "strict": section.variables.strict,
            "address": self.peer.address,
            "host": _text(self.peer.name),
            "protocol": self.protocol,
            "announced": self.announced,
            "number": self.number,
            "user": _text(self.user),
            "access": self.access,
            "early_input": _text(self.early_input),
        }
        return json.dumps(facts, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Admitted:
        """The value of `encode`. Errors: `ValueError` for any other text."""
        import json

        try:
            facts = json.loads(data)
            variables = Variables()
            variables.strict = facts["strict"]
            variables.connection = {_bytes(name): _bytes(value) for name, value in facts["variables"].items()}
            values = defaults()
            for name, value in facts["values"].items():
                values[name] = _bytes(value) if isinstance(value, str) else value
            return cls(
                Section(_bytes(facts["module"]), values, variables),
                Peer(facts["address"], _bytes(facts["host"])),
                protocol=facts["protocol"],
                announced=facts["announced"],
                number=facts["number"],
                user=_bytes(facts["user"]),
                access=facts["access"],
                early_input=_bytes(facts["early_input"]),
            )
        except (KeyError, TypeError, AttributeError, RecursionError, UnicodeError) as error:
            raise ValueError(f"no facts of a connection: {error}") from None


def _text(data: bytes) -> str:
    return data.decode(_BYTES)


def _bytes(text: str) -> bytes:
    return text.encode(_BYTES)
