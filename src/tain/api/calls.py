"""Calls of a program's functions from the thread that runs a transfer."""

from __future__ import annotations

from tain.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _T = TypeVar("_T")


class Calls:
    """Calls functions, and awaits in the program's event loop what coroutine functions return."""

    def __init__(self) -> None:
        #: The loop of a program that awaits the transfer; None for one that calls `run`.
        self.loop: asyncio.AbstractEventLoop | None = None

    def wrap(self, function: Callable[_P, object] | None) -> Callable[_P, None] | None:
        """*function* as one that ends when its work has ended, and so holds up the transfer for as long."""
        if function is None:
            return None
        wrapped = function

        def call(*arguments: _P.args, **keywords: _P.kwargs) -> None:
            value = wrapped(*arguments, **keywords)
            if hasattr(value, "__await__"):
                self._finish(value)

        return call

    def _finish(self, value: Awaitable[_T]) -> _T:
        if self.loop is None:
            if hasattr(value, "close"):
                value.close()
            raise UsageError("a coroutine function as a callback needs sync_async, run_async, or async for")
        import asyncio

        async def wait() -> _T:
            return await value

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result()
