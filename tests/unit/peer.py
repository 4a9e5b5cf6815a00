"""pyrad2 3.2 beside pyradsec, for the tests that compare the two."""

from __future__ import annotations

import collections.abc
import importlib
import os
import sys
from typing import Any

import pytest


def peer(module: str) -> Any:
    """A module of pyrad2's: peer("packet"). The test module that asks is skipped where pyrad2 is not installed, unless
    PYRADSEC_PEERS says that it has to be."""
    if sys.version_info < (3, 12):
        # pyrad2 says that it needs 3.12; this name is all that it misses (pip install --ignore-requires-python).
        collections.abc.Buffer = bytes  # type: ignore[attr-defined]
    try:
        return importlib.import_module(f"pyrad2.{module}")
    except ImportError:
        if os.environ.get("PYRADSEC_PEERS"):
            raise
        pytest.skip("pyrad2 is not installed", allow_module_level=True)
