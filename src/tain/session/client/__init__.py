"""The side that a person started: connect, agree, transfer, report (spec: options 5, output 2 and 5).

`request` is what every run begins with; each kind of run has a class of its own; `start` chooses one.
"""

from tain.session.client.start import Client, run

__all__ = ["Client", "run"]
