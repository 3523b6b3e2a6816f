"""The numbers of this release, and of the rsync release whose behaviour it shows."""

from __future__ import annotations

#: This product.
VERSION = "0.1.0"
#: The rsync release that scripts see: it stands in ``--version`` and closes every error line.
RSYNC_VERSION = "3.5.0"
#: The newest and the oldest protocol that this program speaks.
PROTOCOL = 32
OLDEST_PROTOCOL = 20
