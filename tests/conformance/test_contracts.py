"""Each import contract is seen to fail on a violation planted for it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    c["id"]: c["name"]
    for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

PLANTED: dict[str, dict[str, str]] = {
    "arrow": {"physics/planted.py": "from heliotrope.app.options import AnalyzeOptions\n"},
    "maps-apart": {"maps/planted_one.py": "", "maps/planted_two.py": "from heliotrope.maps import planted_one\n"},
    "domain-pure": {"domain/planted.py": "import pydicom\n"},
    "stages-read-no-file": {"physics/planted.py": "import nibabel\n"},
    "criteria-see-no-image": {"maps/planted.py": "", "criteria/planted.py": "from heliotrope.maps import planted\n"},
}


@pytest.fixture(scope="module")
def package_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def broken_contracts(folder: Path) -> set[str]:
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    run = subprocess.run(
        [sys.executable, "-c", script, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = dict(re.findall(r"^(.+?)\s+(KEPT|BROKEN)\b", run.stdout, flags=re.MULTILINE))
    assert set(said) >= set(CONTRACTS.values()), run.stdout + run.stderr
    broken = {key for key, name in CONTRACTS.items() if said[name] == "BROKEN"}
    assert (run.returncode != 0) == bool(broken)
    return broken


def test_every_contract_has_a_planted_violation() -> None:
    assert set(PLANTED) == set(CONTRACTS)


def test_the_package_as_it_is_keeps_every_contract(package_copy: Path) -> None:
    assert broken_contracts(package_copy) == set()


@pytest.mark.parametrize("contract", sorted(PLANTED))
def test_a_planted_violation_breaks_exactly_its_contract(contract: str, package_copy: Path) -> None:
    planted = {package_copy / "src" / "heliotrope" / name: text for name, text in PLANTED[contract].items()}
    try:
        for path, text in planted.items():
            assert not path.exists()
            path.write_text(f'"""Planted."""\n{text}')
        assert broken_contracts(package_copy) == {contract}
    finally:
        for path in planted:
            path.unlink(missing_ok=True)
