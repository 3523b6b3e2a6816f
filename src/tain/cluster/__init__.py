"""One transfer in several streams, in this process or on many machines.

`sync` plans and runs a transfer; `make_plan` and `Coordinator` are its two halves. Engines run the work: `Local` in
threads of this process, `Futures` on any executor, `Dask` on many machines. Everything public is named here.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.cluster.calls import ClusterResult, make_plan, sync
    from tain.cluster.ceilings import Limits
    from tain.cluster.coordinator import Coordinator, Figures, Outcome
    from tain.cluster.engines import Engine
    from tain.cluster.engines.dask import Dask
    from tain.cluster.engines.futures import Futures
    from tain.cluster.engines.local import Local
    from tain.cluster.plan import Plan, Shard

#: The module of each public name.
_PLACES = {
    "ClusterResult": "calls", "Coordinator": "coordinator", "Dask": "engines.dask", "Engine": "engines",
    "Figures": "coordinator", "Futures": "engines.futures", "Limits": "ceilings", "Local": "engines.local",
    "Outcome": "coordinator", "Plan": "plan", "Shard": "plan", "make_plan": "calls", "sync": "calls",
}  # fmt: skip

__all__ = [
    "ClusterResult", "Coordinator", "Dask", "Engine", "Figures", "Futures", "Limits", "Local", "Outcome", "Plan",
    "Shard", "make_plan", "sync",
]  # fmt: skip


def __getattr__(name: str) -> object:
    # A run with --jobs imports this package, and needs none of these.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return value
