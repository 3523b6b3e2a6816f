"""docs/how-to/busy-mirror.md does what it shows."""

from __future__ import annotations

import re
from pathlib import Path

from tests.programs import ROOT

from .harness import Daemon, wait_until
from .test_control import cache
from .test_workers import enter

PAGE = (ROOT / "docs/how-to/busy-mirror.md").read_text()


def test_the_example(tree: Path) -> None:
    example, with_cache = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    # The second one is served in tests/daemon/test_cache.py.
    assert with_cache == f"{example}    tain cache = watch\n"
    (commands,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```\n(module .*?)```", PAGE, re.DOTALL)
    conf = example.replace("/srv/mirror/debian", str(tree / "mod"))
    conf = f"log file = DIR/log\nreverse lookup = no\ntain control socket = DIR/control\n{conf}"
    conf += "[incoming]\npath = DIR/mod\nread only = no\ntain workers = yes\nhosts allow = 127.0.0.1\n"
    with Daemon("tain", tree, conf.encode()) as daemon, enter(daemon, b"debian"):
        outputs = {}
        for line in commands.splitlines():
            words = line.split()
            assert words[0] == "tain"
            if words[1] == "cache":
                wait_until(lambda: cache("metrics", f"--config={daemon.conf}")[0] == 0, "the control socket")
                outputs[line] = cache(*words[2:], f"--config={daemon.conf}")
            else:
                outputs[line] = daemon.client(*words[1:], f"--config={daemon.conf}", program="tain")
        code, _, err = outputs["tain --daemon --check-config"]
        assert code == 0
        assert "note: module incoming is served without workers: read only = no (" in err
        code, out, _ = outputs["tain cache status"]
        assert code == 0
        pattern = re.sub(r"\s+", " ", shown).strip()
        normal = re.sub(r"\d+", "N", re.sub(r"\s+", " ", out).strip())
        assert normal == re.sub(r"\d+", "N", pattern)


def test_parameters_and_commands_that_it_names_exist() -> None:
    from tain.daemon.parameters import PARAMETERS, key

    for name in re.findall(r"`(tain (?:\w+ ?)+)`", PAGE):
        assert key(name.encode()) in PARAMETERS or name in ("tain cache status", "tain cache metrics"), name
    assert "TABLE" not in PAGE
