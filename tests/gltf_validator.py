"""Khronos' own validator of .glb files, where there is npm; `build.py test` installs it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_FOLDER = Path(os.environ.get("ANTHESIS_ENV") or _ROOT / ".env") / "gltf-validator"
_SCRIPT = """
const validator = require("gltf-validator"), fs = require("fs");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 50})
    .then(report => console.log(JSON.stringify(report)));
"""


def validated(path: Path) -> dict:
    """The validator's report; the test that asks is skipped, aloud, where there is no validator."""
    node = shutil.which("node")
    if not node or not (_FOLDER / "node_modules").is_dir():
        pytest.skip(
            "gltf-validator is not installed: it takes npm, and build.py test puts it there. No .glb is checked"
        )
    run = subprocess.run([node, "-e", _SCRIPT, str(path)], cwd=_FOLDER, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def assert_valid(path: Path) -> None:
    issues = validated(path)["issues"]
    assert issues["numErrors"] == 0, issues["messages"]
