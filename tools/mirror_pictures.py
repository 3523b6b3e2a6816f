"""Pictures of the mirror page for docs/pictures: an invented site with a history, shown by the real server.

    .venv/bin/python tools/mirror_pictures.py [DIRECTORY]

Needs chromium and chromium-driver (Debian packages), and selenium; with pngquant the files are a third as large.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.mirror.showcase import browser, build, serving  # noqa: E402

#: File, address, width, height, dark, language
PICTURES = (
    ("mirror-site.png", "", 1180, 1180, False, "en"),
    ("mirror-dark.png", "", 1180, 1180, True, "en"),
    ("mirror-held.png", "job/epel", 1180, 1160, False, "en"),
    ("mirror-job.png", "job/debian", 1180, 1160, False, "en"),
    ("mirror-phone.png", "", 360, 1500, False, "en"),
    ("mirror-korean.png", "?lang=ko", 1180, 1180, False, "ko"),
)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        config = build(place, time.time())
        with serving(config, place / "state") as address:
            pictures = [
                *PICTURES,
                ("mirror-run.png", _run_address(place), 1180, 900, False, "en"),
            ]
            for file, path, width, height, dark, language in pictures:
                with browser(width, height, dark=dark, language=language) as driver:
                    driver.get(address + path)
                    driver.save_screenshot(str(target / file))
                    if shutil.which("pngquant"):
                        subprocess.run(
                            ["pngquant", "--force", "--speed=1", "--ext=.png", "64", target / file], check=True
                        )
                    print(target / file)


def _run_address(place: Path) -> str:
    run = sorted(os.listdir(place / "state/jobs/epel/runs"))[-1]
    return f"job/epel/run/{run}"


if __name__ == "__main__":
    main()
