"""Pictures kept between runs."""

from __future__ import annotations

from pathlib import Path

from heliotrope.app.store import PictureStore


def test_a_kept_picture_is_found_by_a_later_run(tmp_path: Path) -> None:
    PictureStore(tmp_path / "p").keep("key", b"\x89PNG\nbytes\n")
    assert PictureStore(tmp_path / "p").find("key") == b"\x89PNG\nbytes\n"
    assert PictureStore(tmp_path / "p").find("other") is None


def test_a_damaged_picture_counts_as_absent(tmp_path: Path) -> None:
    PictureStore(tmp_path).keep("key", b"picture")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert PictureStore(tmp_path).find("key") is None
    file.write_bytes(b"")
    assert PictureStore(tmp_path).find("key") is None


def test_pictures_that_a_run_did_not_use_are_dropped(tmp_path: Path) -> None:
    first = PictureStore(tmp_path)
    first.keep("old", b"1")
    first.keep("both", b"2")
    second = PictureStore(tmp_path)
    second.find("both")
    second.keep("new", b"3")
    second.forget_unused()
    third = PictureStore(tmp_path)
    assert [third.find(key) for key in ("old", "both", "new")] == [None, b"2", b"3"]


def test_a_store_without_a_picture_makes_no_folder(tmp_path: Path) -> None:
    store = PictureStore(tmp_path / "p")
    store.forget_unused()
    assert store.find("key") is None
    assert not (tmp_path / "p").exists()
