"""Mutated keepalived.conf files through the reader and every rule: ``make fuzz``.

Each must give a result, or a ConfError with a place; within a second, and within the memory that
is allowed. What fails is written beside, to be made a test of.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lvslab.conf import ConfError, load_text
from lvslab.conf.config import Config
from lvslab.conf.preprocess import Limits
from lvslab.conf.tree import render
from lvslab.lint.edits import fixed
from lvslab.lint.model import Budget, Node, Setting
from lvslab.lint.report import as_dict, lines
from lvslab.lint.run import lint
from lvslab.lint.sarif import render as sarif

HERE = Path(__file__).resolve().parent
CORPUS = [p.read_bytes() for p in sorted((HERE.parent / "unit" / "lint").glob("*/*.conf"))]
#: One a line, with Python's escapes.
TOKENS = [
    x.encode().decode("unicode_escape").encode("latin-1")
    for x in (HERE / "tokens.txt").read_text(encoding="ascii").splitlines()
]
MEGABYTES = 600
SECONDS = 2.0


def mutated(random_: random.Random) -> bytes:
    """Return a file of the corpus with some things done to it."""
    data = bytearray(random_.choice(CORPUS))
    for _ in range(random_.choice((1, 1, 2, 3, 8, 30))):
        at = random_.randrange(len(data) + 1)
        end = min(len(data), at + random_.choice((0, 1, 3, 20, 200)))
        kind = random_.randrange(7)
        if kind == 0:
            data[at:end] = b""
        elif kind == 1:
            data[at:at] = random_.choice(TOKENS)
        elif kind == 2:
            data[at:end] = random_.choice(TOKENS)
        elif kind == 3:
            data[at:at] = data[at:end] * random_.choice((1, 2, 50))
        elif kind == 4:
            other = random_.choice(CORPUS)
            start = random_.randrange(len(other) + 1)
            data[at:at] = other[start : start + random_.choice((10, 100, 1000))]
        elif kind == 5 and data:
            data[at % len(data)] = random_.randrange(256)
        else:
            rows = data.split(b"\n")
            random_.shuffle(rows)
            data = bytearray(b"\n".join(rows))
    return bytes(data)


def one(data: bytes, other: Config, folder: Path) -> str:
    """Read and lint one file; return how it ended."""
    limits = Limits(lines=50_000, characters=4 * 1024 * 1024)
    try:
        config = load_text(data, "x.conf", config_id="lvs1", limits=limits, folder=folder)
    except ConfError as error:
        return "error" if error.where and ":" in error.where else "FAILED error without a place"
    assert config.document.encode() == data, "not the same bytes"
    render(config.root)
    budget = Budget(5.0, 1.0)
    setting = Setting((Node("lvs1", config, budget, folder), Node("lvs2", other, budget)), budget)
    result = lint(setting)
    list(lines(result))
    sarif(result)
    as_dict(result)
    fixed([config.document], result.findings)
    return "findings" if result.findings else "clean"


def main() -> int:
    """Run as many as were asked for; return 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    size = MEGABYTES * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    random_ = random.Random(seed)
    other = load_text(CORPUS[0], "lvs2.conf")
    ends: Counter[str] = Counter()
    slowest = 0.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.files):
            data = mutated(random_)
            start = time.monotonic()
            try:
                end = one(data, other, Path(folder))
            except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
                end = f"FAILED {type(error).__name__}: {error}"[:200]
            spent = time.monotonic() - start
            if spent > SECONDS:
                end = f"FAILED took {spent:.1f} s"
            slowest = max(slowest, spent)
            ends[end] += 1
            if end.startswith("FAILED"):
                kept = HERE / f"failed-{seed}-{number}.conf"
                kept.write_bytes(data)
                print(f"{end}: {kept}", file=sys.stderr)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"seed {seed}: {asked.files} files in {time.monotonic() - began:.0f} s, "
        f"slowest {slowest * 1000:.0f} ms, at most {memory:.0f} MB; {dict(ends.most_common())}"
    )
    return int(any(end.startswith("FAILED") for end in ends))


if __name__ == "__main__":
    sys.exit(main())
