"""Programs that stand in for outside engines and keep their real file layout."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

from heliotrope.backends.segmenter import EngineSettings

ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}


MUSCLEMAP = """
image = nib.load(a["-i"])
assert a["-r"] == "thigh"
out = np.zeros(image.shape, np.uint16)
out[0] = 1
out[1] = 28
# as many engines do, answer in another axis order
answer = nib.as_closest_canonical(nib.Nifti1Image(out, image.affine))
nib.save(answer, os.path.join(a["-o"], "image_0000_dseg.nii.gz"))
"""


def _program(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport sys, os, json, pathlib\nimport numpy as np, nibabel as nib\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


_ARGUMENTS = "a = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"


def musclemap(tmp_path: Path, body: str) -> EngineSettings:
    models = tmp_path / "models"
    (models / "thigh").mkdir(parents=True)
    (models / "thigh" / "contrast_agnostic_thigh_model.pth").write_bytes(b"weights")
    rows = [
        {"region": "thigh", "anatomy": "vastus lateralis", "side": "left", "value": 1},
        {"region": "thigh", "anatomy": "femur", "side": "right", "value": 28},
    ]
    (models / "thigh" / "contrast_agnostic_thigh_model.json").write_text(json.dumps({"labels": rows}))
    program = _program(tmp_path / "mm_segment", _ARGUMENTS + body)
    return EngineSettings({"musclemap": program}, {"musclemap": str(models)}, {}, ENVIRONMENT)


TOTALSEGMENTATOR = """
home = pathlib.Path(os.environ["TOTALSEG_HOME_DIR"])
config = json.loads((home / "config.json").read_text())
assert config["send_usage_stats"] is False
assert os.environ["TOTALSEG_WEIGHTS_PATH"].endswith("weights")
image = nib.load(a["-i"])
for i, name in enumerate(NAMES):
    mask = np.zeros(image.shape, np.uint8)
    mask[i] = 1
    nib.save(nib.Nifti1Image(mask, image.affine), os.path.join(a["-o"], name + ".nii.gz"))
"""


def totalsegmentator(
    tmp_path: Path,
    numbers: tuple[int, ...],
    key: str | None = None,
    names: tuple[str, ...] = ("gluteus_maximus_left", "femur_right", "liver"),
) -> EngineSettings:
    weights = tmp_path / "weights"
    for number in numbers:
        (weights / f"Dataset{number}_part" / "nnUNetTrainer__nnUNetPlans__3d_fullres").mkdir(parents=True)
    program = _program(tmp_path / "TotalSegmentator", _ARGUMENTS + TOTALSEGMENTATOR.replace("NAMES", repr(names)))
    keys = {} if key is None else {"totalsegmentator": key}
    return EngineSettings({"totalsegmentator": program}, {"totalsegmentator": str(weights)}, keys, ENVIRONMENT)


NNUNET = """
i = sys.argv
a = {k: i[i.index(k) + 1] for k in ("-i", "-o", "-m", "-device")}
assert i[i.index("-f") + 1] == "0"
image = nib.load(os.path.join(a["-i"], "image_0000.nii.gz"))
out = np.zeros(image.shape, np.uint8)
out[3] = 2
nib.save(nib.Nifti1Image(out, image.affine), os.path.join(a["-o"], "image.nii.gz"))
"""


def nnunet(tmp_path: Path, *, channels: int = 1) -> EngineSettings:
    model = tmp_path / "model"
    (model / "fold_0").mkdir(parents=True)
    (model / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
    labels = {"background": 0, "gracilis_left": 1, "sartorius_left": 2}
    names = {str(i): "MR" for i in range(channels)}
    content = {"labels": labels, "channel_names": names, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(content))
    (model / "plans.json").write_text(json.dumps({"plans_name": "nnUNetPlans"}))
    program = _program(tmp_path / "nnUNetv2_predict_from_modelfolder", NNUNET)
    return EngineSettings({"nnunet": program}, {"nnunet": str(model)}, {}, ENVIRONMENT)
