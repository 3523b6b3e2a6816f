"""Which call fails, how, when, and in which run: every case is made from tables, in an order that never changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fault.injected.control import CHANGES
from tests.fault.injected.sets import SETS

TRANSPORTS = ("local", "push", "pull", "daemon-push", "daemon-pull")
#: Once, or every time it is made.
WHEN = ("first", "middle", "last", "every")

#: The errors that each call can give, on some file system or other. "short" is no error: half is read or written.
ERRORS = {
    "open": "EIO EACCES EPERM ELOOP EINTR",
    "create": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "opendir": "EIO EACCES EPERM ELOOP EINTR",
    "read": "EIO EACCES EINTR short",
    "write": "EIO ENOSPC EDQUOT EROFS EINTR short",
    "copy": "EIO ENOSPC EDQUOT EPERM EXDEV EINTR short",
    "fsync": "EIO ENOSPC EDQUOT EROFS EINTR",
    "ftruncate": "EIO ENOSPC EPERM EROFS EINTR",
    "fallocate": "EIO ENOSPC EDQUOT EPERM EINTR",
    "rename": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EXDEV ELOOP EINTR",
    "link": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EMLINK EXDEV EINTR",
    "symlink": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "unlink": "EIO EACCES EPERM EROFS EINTR",
    "rmdir": "EIO EACCES EPERM EROFS EINTR",
    "mkdir": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EMLINK ELOOP EINTR",
    "mknod": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "chmod": "EIO EACCES EPERM EROFS EINTR",
    "chown": "EIO EDQUOT EACCES EPERM EROFS EINTR",
    "utimens": "EIO EACCES EPERM EROFS EINTR",
    "setxattr": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "removexattr": "EIO EACCES EPERM EROFS EINTR",
    "getxattr": "EIO EACCES EPERM EINTR",
    "listxattr": "EIO EACCES EPERM EINTR",
    "getdents": "EIO EACCES EINTR",
    "readlink": "EIO EACCES ELOOP EINTR",
    "stat": "EIO EACCES ELOOP EINTR",
    "fstat": "EIO EACCES EINTR",
}

#: The calls that runs make, by the tree they are on. A case whose call is never made is a fault of this table, and fails.
SOURCE = "open opendir read getdents readlink stat"
DEST = "create opendir write rename symlink mkdir mknod chmod chown utimens stat fstat readlink rmdir"
#: A set makes these as well, whatever the transport.
MORE = {
    "inplace": "dst:open",
    "append": "dst:open",
    "append-verify": "dst:open dst:read",
    "sparse": "dst:ftruncate",
    "preallocate": "dst:fallocate",
    "backup-dir": "bak:mkdir bak:stat dst:getdents",
    "delete-before": "dst:getdents dst:unlink",
    "delete-during": "dst:getdents dst:unlink",
    "delete-after": "dst:getdents dst:unlink",
    "delete-delay": "dst:getdents dst:unlink",
    "delete-excluded": "dst:getdents dst:unlink",
    "remove-source": "src:unlink",
    "links": "dst:link",
    "attributes": "src:getxattr src:listxattr dst:getxattr dst:listxattr dst:setxattr",
    "link-dest": "dst:link alt:stat",
    "copy-dest": "alt:stat alt:open",
    "fsync": "dst:fsync",
    "temp-dir": "tmp:create tmp:chmod tmp:utimens",
}
#: Of these calls a set makes none.
LESS = {
    "relative": "dst:mknod dst:rmdir",
    "inplace": "",
    "temp-dir": "dst:create dst:write dst:fstat",
}
#: A local copy does not read its destination, and has the kernel copy what is whole.
LOCAL, LINKED = "src:copy", "src:fstat dst:open dst:read"


@dataclass(frozen=True)
class Case:
    set: str
    via: str
    side: str
    """The top of the tree that the call is on."""
    call: str
    error: str
    """An errno by name, `short`, or for a changing source what happens to it."""
    when: str
    user: bool = False
    far: str = "tain"
    """The program at the other end of a link."""

    @property
    def id(self) -> str:
        words = [self.call, self.error, self.when, self.side, self.via, self.set]
        if self.user:
            words.append("user")
        if self.far != "tain":
            words.append(self.far)
        return "-".join(words)
