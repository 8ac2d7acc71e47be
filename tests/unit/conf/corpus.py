"""Every keepalived.conf that the tests have, and small ones of each element of the language."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FILES = sorted((HERE.parent / "lint").glob("*/*.conf"))

SNIPPETS = (
    b"",
    b"\n",
    b"a",
    b"global_defs {\r\n  router_id x\r\n}\r\n",
    b"! comment\n# another ! { }\n\tpriority 1 # { \n",
    b'script "a { b } # ! c" d\n',
    b"url { path / status_code 200 }\n}\n",
    b"\xff\xfe\x00 {\n}\n",
    b"$A= \\\n x \\\n y\n$A\n",
    b"~SEQ(I, 1, 3) v 10.0.0.${I}\n",
    b"@id x\n@^id y\n",
    "label \u00e9 \u8d1f\u8f7d # \u2028 \x85 x\n".encode(),
    b'a "b\nc"d" e\n',
    b"a \\# b \\! c\n",
)
