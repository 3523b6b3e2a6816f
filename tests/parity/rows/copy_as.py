"""--copy-as (spec: options 6.4)."""

from __future__ import annotations

from tests.parity.harness import Row

COPY_AS = [
    # Both ends of a local copy, this end of a remote one, and the other one with -M.
    *(
        Row(f"OPT-copy-as-{n}", "src/ src/a src/b;m=0600 src/c;o=1.1;m=0600 src/d/e out/;m=0777", words)
        for n, words in enumerate(
            [
                "-ai --copy-as=nobody src/ out/",
                "-ai --copy-as=daemon src/ out/",
                "-ai --copy-as=daemon:bin src/ out/",
                "-ai --copy-as=1:2 src/ out/",
                "-ai --copy-as=1234:99 src/ out/",
                "-ai --copy-as root src/ out/",
                "-ai --copy-as=0:0 src/ out/",
                "-ai --copy-as=nobody --chown=5:6 src/ out/",
                "-ai --copy-as=nobody --super src/ out/",
                "-ai --copy-as=nobody --no-super src/ out/",
                "-ai --copy-as=nobody --fake-super src/ out/",
                "-ai --copy-as=root --no-super src/ out/",
                "-ain --copy-as=nobody src/ out/",
                "-ai --copy-as=nobody src/d out/new/",
                "-ai --copy-as=nobody --link-dest=../src src/ out/",
                "-ai --no-W --copy-as=nobody src/ out/",
                "-ai -M--copy-as=nobody src/ out/",
                "-r --copy-as=nobody src/",
            ]
        )
    ),
    *(
        Row(f"OPT-copy-as-{way}-{n}", "src/ src/a src/b;m=0600 src/c;o=1.1;m=0600 out/;m=0777", words, via="shell")
        for way, orders in {
            "push": [
                "-ai --copy-as=daemon src/ h:{w}/out/",
                "-ai -M--copy-as=daemon:bin src/ h:{w}/out/",
            ],
            "pull": [
                "-ai --copy-as=daemon h:{w}/src/ out/",
                "-ai -M--copy-as=daemon h:{w}/src/ out/",
            ],
        }.items()
        for n, words in enumerate(orders)
    ),
    # Two processes of rsync say this, one of tain.
    *(
        Row(f"OPT-copy-as-bad-{n}", "src/a out/;m=0777", words, stderr=False)
        for n, words in enumerate(
            [
                ["-a", f"--copy-as={user}", "src/", "out/"]
                for user in ("nosuch", "", ":", ":bin", "nobody:", "nobody:nosuch", "12345", "-1", "99999999999", " bin")
            ]
        )
    ),
    Row("OPT-copy-as-unprivileged", "src/a out/", "-a --copy-as=daemon src/ out/", user=True, stderr=False),
    Row("OPT-copy-as-daemon", "src/a src/b;m=0600 mod/;m=0777", "-ai --copy-as=daemon src/ {url}/m/", via="daemon",
        conf="read only = no"),
    Row("OPT-copy-as-module", "src/a src/b;m=0600 mod/;m=0777", "-ai -M--copy-as=daemon:bin src/ {url}/m/",
        via="daemon", conf="read only = no"),
]  # fmt: skip

ROWS: list[Row] = [*COPY_AS]
