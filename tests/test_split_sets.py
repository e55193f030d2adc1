"""Public split lists, as their authors published them: rows, sides and folds are read unaided."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from manifests.audit import read_published
from manifests.audit.foreign_folds import folds_of
from manifests.audit.foreign_lines import ForeignLines

PUBLISHED = Path(__file__).parents[1].parent / "shared" / "metadata" / "splits"

pytestmark = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"the published lists are not at {PUBLISHED}"
)


class Listed(NamedTuple):
    """What a set lists."""

    folds: dict[int, tuple[int, int, int]]
    """Fold -> rows of train, valid and test."""
    name: str
    """One that it lists."""
    labels: int = 0
    """How many classes; 0: none is given."""
    speakers: int = 0
    """How many speakers a column names; 0: none does."""
    unit: str = "name"


SETS = {
    "cremad_nkululeko": Listed({0: (4660, 1224, 1558)}, "AudioWAV/1070_TIE_DIS_XX.wav", 6, 91),
    "cremad_maedfer_5fold": Listed(
        {1: (5979, 0, 1463), 2: (5972, 0, 1470)},
        "/mnt/data1/brain/AC/Dataset/CREMA-D/face_aligned/1001_DFA_ANG_XX",
        6,
    ),
    "ravdess_hicmae_6fold": Listed(
        {1: (1200, 0, 240), 2: (1200, 0, 240)},
        "/data/ycs/AC/Dataset/RAVDESS/audio_16k/Actor_01/03-01-01-01-01-01-01.wav",
        8,
    ),
    "ravdess_nkululeko_speaker": Listed(
        {0: (1152, 0, 288)}, "./Actor_01/03-01-08-01-01-02-01.wav", 8, 24
    ),
    "enterface_emobox": Listed(
        {1: (951, 0, 312)}, "downloads/enterface/subject 14/anger/sentence 3/s14_an_3.avi", 6
    ),
    "enterface_maedfer_5fold": Listed(
        {1: (1017, 0, 270), 2: (1017, 0, 270)},
        "/mnt/data1/brain/AC/Dataset/eNTERFACE/face_aligned/subject_11/anger/sentence_1/s12_an_1",
        6,
    ),
    "savee_emobox_4fold": Listed(
        dict.fromkeys((1, 2, 3, 4), (360, 0, 120)), "downloads/savee/JE_n23.wav", 7
    ),
    "tess_nkululeko": Listed({0: (2240, 0, 560)}, "TESS/OAF_pool_disgust.wav", 7, 2),
    "shemo_emobox": Listed({1: (2131, 0, 707)}, "downloads/shemo/male/M32S01.wav", 6),
    "grid_lipnet_overlap": Listed({0: (24408, 8415, 0)}, "s14/video/mpg_6000/srwt9p"),
    "iemocap_e2esparse": Listed({0: (5162, 737, 1481)}, "Ses03F_impro03_F018"),
    "iemocap_s3prl_5fold": Listed(
        {1: (4446, 0, 1085)},
        "Session1/sentences/wav/Ses01F_script02_2/Ses01F_script02_2_F000.wav",
        4,
        10,
    ),
    "mspimprov_hicmae_6fold": Listed(
        {1: (6871, 916, 916)},
        "/share/home/someone/AC/Dataset/MSP-IMPROV/raw/audio_16k/session1/S01A/P/"
        "MSP-IMPROV-S01A-F01-P-FM01.wav",
        4,
    ),
    "emozionalmente_audeering": Listed(
        {0: (257, 87, 87)},
        "b830cbf6e79aeeeec1fbf2ef3be741628ffc574c9b15f30634b8e8cc56bd17b9",
        speakers=431,
        unit="subject",
    ),
    "m3ed_official": Listed({0: (38, 7, 11)}, "zhengfu", unit="episode"),
    "sims_merbench": Listed({0: (1368, 456, 457)}, "video_0018_0004"),
    "dfew_dferclip_5fold": Listed(
        {1: (9356, 0, 2341)}, "/data/lab/datasets/DFEW/DFEW_Frame_Face/00001", 7
    ),
    "lrs3_avhubert_valid": Listed({0: (0, 1200, 0)}, "trainval/UGtFXtnWME4/50021"),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("given", ["folder", "files"])
def test_a_published_set_is_read_unaided(name: str, given: str) -> None:
    expected, folder = SETS[name], PUBLISHED / name
    files = [path for path in sorted(folder.iterdir()) if path.name != "label.npz"]
    tables = read_published([folder] if given == "folder" else files)
    lines = ForeignLines(tables)
    found = {
        fold.fold: tuple(np.bincount(fold.role, minlength=3).tolist())
        for fold in folds_of(lines, None)
    }
    assert found == expected.folds
    assert lines.unit == expected.unit
    assert expected.name in set(lines.name.values)
    assert len(lines.column("label").values) == expected.labels
    assert len(lines.column("subject").values) == expected.speakers


def test_every_set_that_is_there_is_looked_at() -> None:
    assert {path.name for path in PUBLISHED.iterdir() if path.is_dir()} == {*SETS}
