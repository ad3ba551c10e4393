"""Homes of the backends that tests start."""

import os
import sys
from pathlib import Path


def with_kernels(home: Path) -> Path:
    """`home`, made so that its workers find the kernels that any test has compiled, where those are kept together.

    `build.py test` keeps them so. By itself each new home compiles its own, for seconds a kernel.
    """
    kept, own = os.environ.get("NUMBA_CACHE_DIR"), home / "cache" / "numba"
    if kept and sys.platform != "win32" and not own.exists():  # Windows lets few users make links
        Path(kept).mkdir(parents=True, exist_ok=True)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.symlink_to(kept, target_is_directory=True)
    return home
