"""From files to the comparison: calcium of a later CT where edema of an MR lay on one side, elsewhere on the other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from heliotrope.app.phantom import bundle_of, write_bundle
from heliotrope.app.phantom_calcinosis import EARLIER, later_bundle
from heliotrope.cli.main import main
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.ct_thighs import CtOfThighs
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence

SEED = 11


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Links of the comparison by side, from studies on disk through the commands."""
    folder = tmp_path_factory.mktemp("edema")
    protocol = MrProtocol(
        matrix=(254, 134),
        pixel_mm=1.5,
        n_slices=5,
        sequences=(Sequence.T1, Sequence.STIR, Sequence.MULTI_ECHO_T2, Sequence.COMPLEX_DIXON),
    )
    earlier = build_thigh_study(EARLIER, replace(SCENES[EARLIER], protocol=protocol), SEED)
    write_bundle(bundle_of(earlier), folder / "mr", "dicom")
    scan = CtOfThighs(matrix=(254, 134), voxel_mm=(1.5, 2.5), n_slices=20)
    write_bundle(later_bundle(SEED, scan=scan), folder / "ct", "dicom")
    plan = folder / "plan.yaml"
    plan.write_text("muscles: none\n")
    assert (
        main(
            ["analyze", str(folder / "mr"), "--out", str(folder / "mr-result"), "--only", "layers", "--plan", str(plan)]
        )
        == 0
    )
    assert (
        main(
            [
                "analyze",
                str(folder / "ct"),
                "--out",
                str(folder / "ct-result"),
                "--only",
                "calcinosis",
                "--plan",
                str(plan),
            ]
        )
        == 0
    )
    compared = ["compare", str(folder / "mr-result"), str(folder / "ct-result"), "--out", str(folder / "compared")]
    assert main(compared) == 0
    document = json.loads((folder / "compared" / "comparison.json").read_text())
    page = (folder / "compared" / "report.html").read_text()
    sizes = [row for row in document["changes"] if row["quantity"] == "volume"]
    assert {row["verdict"] for row in sizes} <= {"not comparable", "not assessable"}
    found = document["calcifications"]["visit 2"]["edema_links"]
    assert all(link["statement"].split(" (")[0] in page for link in found)
    return {
        side: link
        for side in ("left", "right")
        for link in found
        if f"the {side} subcutaneous fat" in link["statement"]
    }


def test_calcium_where_edema_lay_is_linked_without_a_word_on_cause(links: dict[str, dict[str, Any]]) -> None:
    left = links["left"]
    assert left["linked"] is True
    assert left["details"]["mass_mg"] == pytest.approx(2 * 272.3, rel=0.2)
    assert "says nothing of a cause" in left["statement"]
    assert left["evidence"] == ["subcutis-then-calcinosis"]


def test_calcium_elsewhere_is_not_linked(links: dict[str, dict[str, Any]]) -> None:
    assert links["right"]["linked"] is False
    assert links["right"]["details"]["places_in_the_ct"] > 10
