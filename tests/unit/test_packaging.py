"""The shipped sample files are valid."""

from __future__ import annotations

from pathlib import Path

from tain.daemon import lint
from tain.daemon.config import load

SAMPLES = Path(__file__).resolve().parents[2] / "packaging"


def test_sample_configuration_has_nothing_to_complain_about() -> None:
    config = load(bytes(SAMPLES / "rsyncd.conf"))
    assert not config.failed
    assert [section.name for section in config.modules] == [b"pub"]
    assert config.modules[0].flag("read only")
    assert not config.diagnostics
    assert not lint.check(config)


def test_the_commented_module_is_valid_too(tmp_path: Path) -> None:
    text = (SAMPLES / "rsyncd.conf").read_text()
    module = text[text.index("# [backup]") :].replace("\n# ", "\n").removeprefix("# ")
    file = tmp_path / "conf"
    file.write_text("tain strict = yes\n" + module)
    config = load(bytes(file))
    assert not config.diagnostics
    assert not lint.check(config)
