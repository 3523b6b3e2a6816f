"""``tain mirror`` and ``tain-mirror``: the entry, the groups of commands, the exit codes."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import sys
from typing import TYPE_CHECKING

from tain.release import VERSION

if TYPE_CHECKING:
    import click

_MISSING = "tain mirror needs: pip install 'tain[mirror]'"
_EXIT_UNAVAILABLE = 69


def main(words: list[str] | None = None) -> None:
    """Run a command line and end the process. *words*: without the name of the program."""
    try:
        import click  # noqa: F401
        import cronsim  # noqa: F401
        import platformdirs  # noqa: F401
        import psutil  # noqa: F401
        import pydantic  # noqa: F401

        # Only commands that write a configuration need it.
        if importlib.util.find_spec("tomlkit") is None:
            raise ImportError("tomlkit")
    except ImportError:
        sys.stderr.write(_MISSING + "\n")
        sys.exit(_EXIT_UNAVAILABLE)
    sys.exit(run(sys.argv[1:] if words is None else words))


def run(words: list[str]) -> int:
    """Run a command line; returns the exit code."""
    import click

    from tain.mirror import states
    from tain.mirror.commands.common import App, Ended, Fail, print_findings
    from tain.mirror.findings import ConfigError
    from tain.mirror.store import StateError

    app = App()
    try:
        code = group(words[0] if words else None).main(words, prog_name="tain mirror", standalone_mode=False, obj=app)
        return code if isinstance(code, int) else states.EXIT_OK
    except Ended as end:
        return end.code
    except Fail as error:
        return _report(app, str(error), error.code)
    except ConfigError as error:
        print_findings(error, app)
        return states.EXIT_CONFIG
    except StateError as error:
        return _report(app, str(error), states.EXIT_STATE)
    except sqlite3.Error as error:
        return _report(app, f"the state cannot be read or written: {error}", states.EXIT_STATE)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return states.EXIT_USAGE
    except click.UsageError as error:
        if error.ctx is not None and not app.json:
            click.echo(error.ctx.get_usage(), err=True)
        return _report(app, error.format_message(), states.EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return states.EXIT_CANCELLED
    except BrokenPipeError:
        # Whoever read our output has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return states.EXIT_OK


def _report(app: object, text: str, code: int) -> int:
    import click

    from tain.mirror.commands.common import App
    from tain.mirror.words import visible

    assert isinstance(app, App)
    if app.json:
        error = {"file": "", "line": 0, "key": "", "text": text, "suggestion": "", "severity": "error"}
        app.print_json({"schema": "tain.mirror.error/1", "code": code, "errors": [error]})
    else:
        click.echo(f"tain mirror: {visible(text)}", err=True)
    return code


#: Command -> the module that has it, and its name there.
_COMMANDS = {
    "init": ("configure", "init"), "add": ("configure", "add"), "check": ("configure", "check"),
    "run": ("running", "run"), "serve": ("serving", "serve"), "start": ("serving", "start"),
    "reload": ("serving", "reload"), "status": ("showing", "status"), "upstreams": ("showing", "upstreams"),
    "history": ("showing", "history"), "log": ("showing", "log"), "hold": ("holding", "hold"),
    "release": ("holding", "release"), "stop": ("holding", "stop"), "forget": ("holding", "forget"),
    "token": ("tokens", "token"), "snapshots": ("snapshots", "snapshots"), "push": ("pushing", "push"),
    "import": ("importing", "imports"), "export": ("exporting", "export"),
}  # fmt: skip


def group(word: str | None = None) -> click.Group:
    """The group of all commands, or only of the one that *word* names. Each is imported only here, so that the word
    rule of `tain` costs nothing, and a command nothing of the others."""
    import click

    from tain.mirror.commands.common import global_options

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(VERSION, prog_name="tain mirror")
    @global_options
    def mirror() -> None:
        """Mirror jobs: declared once, run from cron or by hand, judged before they delete."""

    for name in [word] if word in _COMMANDS else _COMMANDS:
        module, attribute = _COMMANDS[name]
        mirror.add_command(getattr(importlib.import_module(f"tain.mirror.commands.{module}"), attribute))
    return mirror


if __name__ == "__main__":
    main()
