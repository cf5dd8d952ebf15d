"""How a flash card or a disk is named on a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class FolderType(click.ParamType[Path]):
    """`folder:/path`, the one kind of medium that is named."""

    name = "folder:PATH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        if isinstance(value, Path):
            return value
        kind, _, path = str(value).partition(":")
        if kind != "folder" or not path:
            self.fail("say folder: and the path, such as folder:/media/card")
        return Path(path)
