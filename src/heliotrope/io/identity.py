"""Pseudonyms: equal patients match, names cannot be looked up.

The study key is a plain hash of the study UID, which is random by construction. The subject key is a keyed hash
(HMAC-SHA-256) of the patient's identifier: without the key nobody can hash a list of names or hospital numbers and
compare. The key is 32 random bytes in ``heliotrope/pseudonym.key`` of the user's configuration folder, made on first
use and readable by that user alone; set ``HELIOTROPE_PSEUDONYM_KEY_FILE`` to share one within a project, and delete it
to cut the link for good. Synthetic studies use a published key, since nobody is behind them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

SYNTHETIC_KEY = b"heliotrope: synthetic subjects are nobody"
KEY_FILE_VARIABLE = "HELIOTROPE_PSEUDONYM_KEY_FILE"
_KEY_BYTES = 32


@dataclass(frozen=True)
class Patient:
    """What the header says about who was imaged; never leaves `io`.

    Parameters
    ----------
    identifier, issuer, name, birth_date, sex : str
        Empty when absent.
    """

    identifier: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""

    def __repr__(self) -> str:
        return "Patient(...)"

    @property
    def handle(self) -> str:
        """What makes two files one patient: the identifier, else name and birth date; empty when neither is there."""
        if self.identifier:
            return f"id\0{self.identifier}"
        if self.name:
            return f"name\0{' '.join(sorted(self.name_words))}\0{self.birth_date}"
        return ""

    @property
    def name_words(self) -> frozenset[str]:
        """Parts of the name without case and punctuation."""
        letters = "".join(c if c.isalnum() else " " for c in self.name.casefold())
        return frozenset(letters.split())

    def conflict_with(self, other: Patient) -> str | None:
        """The attribute that shows two files of one identifier to be of two people; None when none does."""
        for title, mine, theirs in (
            ("issuers of the patient identifier", self.issuer, other.issuer),
            ("birth dates", self.birth_date, other.birth_date),
            ("sexes", self.sex, other.sex),
        ):
            if mine and theirs and mine != theirs:
                return title
        if self.name_words and other.name_words and not self.name_words & other.name_words:
            return "names"
        return None


def study_key(study_uid: str) -> str:
    """Pseudonym of a study.

    Examples
    --------
    >>> study_key("1.2.3")
    'study-d00b29bc9add'
    """
    return "study-" + hashlib.sha256(f"study\0{study_uid}".encode()).hexdigest()[:12]


def subject_key(handle: str, key: bytes) -> str | None:
    """Keyed pseudonym of a patient; None where the files name nobody."""
    if not handle:
        return None
    return "subject-" + hmac.new(key, handle.encode("utf-8"), hashlib.sha256).hexdigest()[:12]


def pseudonym_key() -> tuple[bytes, str | None]:
    """The key of this user or project, made on first use.

    Returns
    -------
    tuple
        The key, and a sentence when it holds for this run only because no file could be kept.
    """
    stated = os.environ.get(KEY_FILE_VARIABLE)
    if stated:
        path = Path(stated)
    else:
        home = os.environ.get("XDG_CONFIG_HOME") or (os.environ.get("HOME", "") and f"{os.environ['HOME']}/.config")
        if not home:
            return secrets.token_bytes(_KEY_BYTES), "subject keys hold for this run only: there is no home folder"
        path = Path(home) / "heliotrope" / "pseudonym.key"
    try:
        known = path.read_bytes()
        if len(known) >= _KEY_BYTES:
            return known, None
    except OSError:
        pass
    return _make_key(path)


def _make_key(path: Path) -> tuple[bytes, str | None]:
    fresh = secrets.token_bytes(_KEY_BYTES)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(fresh)
        try:
            os.link(part, path)
        except FileExistsError:
            fresh = path.read_bytes()  # another run was first
        finally:
            part.unlink(missing_ok=True)
        if len(fresh) < _KEY_BYTES:
            raise OSError("key file too short")  # noqa: TRY301
    except OSError:
        return secrets.token_bytes(_KEY_BYTES), "subject keys hold for this run only: their key could not be stored"
    return fresh, None
