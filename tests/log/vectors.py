"""Figures from outside; the file names their sources."""

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent.parent / "vectors" / "tlog_vectors.json"
VECTORS: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
