"""tain: a drop-in rsync, with a Python API."""

__all__: list[str] = []
