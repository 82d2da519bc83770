"""Pseudonym keys of tests stay out of the user's home."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_pseudonym_key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOTROPE_PSEUDONYM_KEY_FILE", str(tmp_path_factory.getbasetemp() / "pseudonym.key"))
