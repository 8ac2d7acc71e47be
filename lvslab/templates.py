"""The jinja2 templates of a package of lvslab's."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def templates(package: str, *, html: bool = False) -> Environment:
    """Return the environment of a package's templates; ``html`` escapes what is filled in.

    A name that is not given is an error, and a line that only has a tag leaves nothing.
    """
    return Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A configuration file ends in a newline, whatever its template does.
        keep_trailing_newline=not html,
        autoescape=html,
    )
