"""A topology file to a TopologySpec: read, parse, validate, resolve."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from lvslab.errors import NotFoundError, TopologyError
from lvslab.topology import overlay
from lvslab.topology.explain import explain
from lvslab.topology.models import Topology
from lvslab.topology.problems import Problem, TopologyProblems
from lvslab.topology.resolve import name_from, resolve
from lvslab.topology.spec import TopologySpec
from lvslab.topology.values import check_name
from lvslab.topology.yamltree import MAX_BYTES, START, Document, parse, too_large


def load(path: Path, *, name: str | None = None, changes: Document | None = None) -> TopologySpec:
    """Read a topology file.

    ``name`` names the lab whatever the file says; without it the file's ``name`` does, or
    else the file's own name without its ending. ``changes`` are laid over what the file says
    (lvslab.topology.overlay). Raises NotFoundError, TopologyError when the
    file cannot be read, and TopologyProblems with everything that is wrong in it.
    """
    return _read(read_text(path), str(path), name, name_from(path.stem), changes)


def read_text(path: Path, what: str = "topology", fix: str = START) -> str:
    """Read a file that should be a ``what``; ``fix`` is what to do where there is none.

    Raises NotFoundError, TopologyError, TopologyProblems.
    """
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError("no such file", where=file, fix=fix) from error
    except OSError as error:
        raise TopologyError(f"cannot be read: {error.strerror}", where=file) from error
    if len(data) > MAX_BYTES:
        raise TopologyProblems([too_large(file, what)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise TopologyProblems(
            [Problem(line, column, f"not UTF-8 text: this is not a {what} file", "", file)]
        ) from error
    return text


def loads(
    text: str,
    filename: str = "<text>",
    *,
    name: str | None = None,
    changes: Document | None = None,
) -> TopologySpec:
    """Read a topology from text; ``filename`` is how messages and the default name call it.

    ``changes`` are laid over what the text says (lvslab.topology.overlay). Raises
    TopologyProblems with everything that is wrong in it.
    """
    return _read(text, filename, name, name_from(Path(filename).stem), changes)


def _read(
    text: str, file: str, name: str | None, fallback: str, changes: Document | None = None
) -> TopologySpec:
    if name is not None:
        check_name(name)
    document = parse(text, file)
    data = document.root.plain()
    if changes is not None:
        document = merged = overlay.lay_over(document, changes)
        data = overlay.plain(merged)
    if name is not None and isinstance(data, dict):
        data["name"] = name
    try:
        model = Topology.model_validate(data)
    except ValidationError as error:
        raise TopologyProblems(explain(error, document)) from error
    return resolve(model, document, fallback)
