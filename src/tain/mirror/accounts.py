"""The account that a program of a job runs as."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from typing import Any

from tain.mirror.model import Resources


def exists(kind: str, name: str) -> bool:
    """Whether this machine has an account; *kind*: ``user`` or ``group``."""
    with contextlib.suppress(KeyError):
        _ = pwd.getpwnam(name) if kind == "user" else grp.getgrnam(name)
        return True
    return False


def keywords_of(rules: Resources) -> tuple[dict[str, Any], dict[str, str]]:
    """The keywords of `subprocess.Popen` that start a program as the account of a job, and its variables. Both are
    empty without an account. Errors: `OSError`, if there is no such account any more."""
    if rules.user is None:
        return {}, {}
    try:
        account = pwd.getpwnam(rules.user)
        group = account.pw_gid if rules.group is None else grp.getgrnam(rules.group).gr_gid
    except KeyError as error:
        raise OSError(str(error.args[0])) from None
    groups = os.getgrouplist(rules.user, group)
    variables = {"HOME": account.pw_dir, "USER": rules.user, "LOGNAME": rules.user}
    return {"user": account.pw_uid, "group": group, "extra_groups": groups}, variables


def own(path: str, rules: Resources) -> None:
    """Give a new destination to the account of a job. Errors: `OSError`."""
    keywords, _ = keywords_of(rules)
    if keywords:
        os.chown(path, keywords["user"], keywords["group"])
