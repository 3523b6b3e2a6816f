"""``python -m tain``: the command."""

from tain.cli.main import entry

entry()
