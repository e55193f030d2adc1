"""Naming rules of the corpora that are known by their names alone, and of those beside them: what
a name says, that it is one corpus's, and how many speakers there are."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from manifests.corpora.base import Identity
from manifests.corpora.catalog import CORPORA, with_media
from tests.support.commands import ROOT

METADATA = Path(__file__).parents[1].parent / "shared" / "metadata"
SPLITS = METADATA / "splits"
needs_metadata = pytest.mark.skipif(
    not METADATA.is_dir(), reason="the published lists are not beside the checkout"
)

ALIKE = {
    "savee": [
        ("savee/DC_sa03", "DC/sa03", "DC_sa03", "savee-DC-sa03", "AudioVisualClip/DC/sa3.avi"),
        ("savee/KL_n28", "KL_n28", "savee-KL-n28", "/x/SAVEE/KL/n28"),
    ],
    "enterface05": [
        (
            "enterface05/s4_an_2",
            "subject 4/anger/sentence 2/s4_an_2.avi",
            "face_aligned/subject_4/anger/sentence_2/s4_an_2",
            "enterface-s4_an_2.avi",
            "s_4_an_2",
            "s4_an_2avi",
        ),
        ("enterface05/s11_fe_1", "subject 11/fear/sentence 1/s12_fe_1.avi"),
        ("enterface05/s12_fe_1", "subject 12/fear/sentence 1/s12_fe_1.avi", "s12_fe_1"),
        ("enterface05/s6_su", "subject 6/surprise/s6_su.avi"),
    ],
    "msp_improv": [
        (
            "msp_improv/MSP-IMPROV-S03H-M02-R-FF01",
            "Video/session2/S03H/R/UTD-IMPROV-S03H-M02-R-FF01.avi",
            "MSP-IMPROV-S03H-M02-R-FF01",
        )
    ],
    "msp_podcast": [
        ("msp_podcast/MSP-PODCAST_0407_0051", "Audios/MSP-PODCAST_0407_0051.wav"),
        (
            "msp_podcast/MSP-PODCAST_1369_0002_0116",
            "msppodcast-MSP-PODCAST_1369_0002_0116",
            "MSP-PODCAST_1369_0002_0116.wav",
        ),
        ("msp_podcast/MSP-PODCAST_test3_0001", "MSP-PODCAST_test3_0001.wav"),
    ],
    "emodb": [("emodb/03a01Fa", "wav/03a01Fa.wav", "emodb-03a01Fa")],
    "tess": [
        ("tess/YAF_fall_ps", "TESS/YAF_fall_ps.wav", "tess-YAF-fall-ps"),
        ("tess/OAF_bite_neutral", "OA_bite_neutral.wav"),
    ],
    "esd": [("esd/0011_000351", "0011/Angry/0011_000351.wav", "esd-0011-000351")],
    "emovo": [("emovo/gio-f2-b3", "EMOVO/f2/gio-f2-b3.wav", "emovo-gio-f2-b3")],
    "shemo": [("shemo/M32S01", "shemo/male/M32S01.wav", "shemo-M32S01")],
    "jlcorpus": [
        ("jlcorpus/male2_happy_15b_2", "JL(wav+txt)/male2_happy_15b_2.wav"),
        ("jlcorpus/female1_sad_4a_1", "jlcorpus-female1-sad-4a-1"),
    ],
    "mosi": [
        ("mosi/03bSnISJMiM/11", "03bSnISJMiM_11", "03bSnISJMiM[11]", "03bSnISJMiM$_$11"),
        ("mosi/03bSnISJMiM", "03bSnISJMiM"),
    ],
    "mosei": [
        ("mosei/-3g5yACwYnA/4", "CMU-MOSEI/Audio/train/-3g5yACwYnA_4.wav"),
        ("mosei/100178/2", "mosei/100178[2]"),
    ],
    "pom": [("pom/100178", "pom/100178.mp4")],
    "sims": [("sims/video_0018/0004", "video_0018/0004.mp4", "video_0018_0004")],
    "sims2": [("sims2/aqgy3_0001/00016", "Raw/aqgy3_0001/00016.mp4", "aqgy3_0001_00016")],
    "mer2023": [
        ("mer2023/sample_00000236", "test1/sample_00000236.avi", "mer2023-sample_00000236"),
        ("mer2023/samplenew_00030806", "mer2023-samplenew_00030806.mp4"),
    ],
    "m3ed": [
        ("m3ed/huanlesong_14_12", "A_huanlesong_14_12.wav", "m3ed-huanlesong_14_12"),
        ("m3ed/huanlesong", "huanlesong"),
    ],
    "mead": [
        (
            "mead/M011-contempt-2-013",
            "M011/audio/contempt/level_2/013.m4a",
            "mead-M011-contempt-level-2-013",
        ),
        ("mead/W009-fear-3-001/front", "W009/video/front/fear/level_3/001.mp4"),
    ],
    "grid": [("grid/s14/srwt9p", "s14/video/mpg_6000/srwt9p", "s14/srwt9p.mpg", "s14_srwt9p")],
    "lrs2": [
        ("lrs2/5535415699068794046/00001", "main/5535415699068794046/00001.mp4"),
    ],
    "lrs3": [("lrs3/trainval/UGtFXtnWME4/50021", "trainval/UGtFXtnWME4/50021.mp4")],
    "voxceleb": [
        ("voxceleb/id05668/XWKC1JUM_ow/00053", "dev/mp4/id05668/XWKC1JUM_ow/00053.mp4"),
    ],
    "dfew": [("dfew/00147", "DFEW_Frame_Face/00147", "dfew/00147")],
    "mafw": [("mafw/00025", "MAFW/data/frames/00025")],
    "ferv39k": [("ferv39k/Interview/Happy/0118", "2_ClipsforFaceCrop/Interview/Happy/0118")],
    "afew": [("afew/000223480", "Train_AFEW/Angry/000223480.avi", "train_afew/Sad/000223480")],
    "emozionalmente": [("emozionalmente/1613823356172", "emozionalmente-1613823356172")],
    "emorynlp": [
        (
            "emorynlp/s01e15_c10_u1",
            "EMORYNLP/emorynlp_dev_splits/sea1_ep15_sc10_utt1.mp4",
            "s01_e15_c10_u001",
        )
    ],
    "aesdd": [
        ("aesdd/f01-2", "fear/f01 (2).wav", "aesdd-f01-2"),
        ("aesdd/d05-3b", "d05 (3)b.wav", "aesdd-d05-3b"),
    ],
    "ased": [("ased/s4-07-02-01-31", "ASED_V1/04Sad/s4-07-02-01-31.wav")],
    "asvpesd": [
        ("asvpesd/03-02-03-01-06-41-02-01-02-13", "actor_41/03-02-03-01-06-41-02-01-02-13.wav")
    ],
    "cafe": [("cafe/04-J-2-1", "Joie/Fort/04-J-2-1.wav", "cafe-04-J-2-1")],
    "casia": [("casia/241-wangzhe-neutral", "wangzhe/neutral/241.wav")],
    "emns": [("emns/recorded_audio_6EvwghX", "cleaned_webm/recorded_audio_6EvwghX.webm")],
    "emovdb": [
        (
            "emovdb/josh-Amused-0183",
            "josh_Amused/amused_169-196_0183.wav",
            "emovdb-josh-Amused-0183",
        ),
        ("emovdb/bea-Disgust-0549", "bea_Disgusted/disgust_533-560_0549.wav"),
    ],
    "mesd": [("mesd/Fear_C_A_basta_ya", "Fear_C_A_basta_ya.wav", "mesd-Fear_C_A_basta_ya")],
    "oreau": [("oreau/38a03Ja", "m/sessj/38a03Ja.wav", "oreau-38a03Ja")],
    "pavoque": [
        ("pavoque/angry/m0380", "pavoque-m0380-angry"),
        ("pavoque/angry", "pavoque/pavoque-angry.flac"),
    ],
    "polish": [("polish/m3.n_oddaj_4", "polish-m3.n_oddaj_4", "polish/m3.n_oddaj_4.wav")],
    "resd": [
        (
            "resd/32_happiness_enthusiasm_h_110",
            "train/happiness_enthusiasm_32/32_happiness_enthusiasm_h_110.wav",
        )
    ],
    "subesco": [("subesco/M_09_SHUMANTA_S_9_SURPRISE_5", "M_09_SHUMANTA_S_9_SURPRISE_5.wav")],
    "turevdb": [("turevdb/1984_kz_konuk", "Angry/1984_kz_konuk.wav", "turevdb-1984_kz_konuk.wav")],
    "urdu": [("urdu/SM20_F1_N05", "Neutral/SM20_F1_N05.wav", "urdu-SM20_F1_N05")],
    "ravdess": [("ravdess/03-01-03-02-02-01-11", "ravdess-03-01-03-02-02-01-11")],
    "iemocap": [("iemocap/Ses01F_impro01_F000", "iemocap-Ses01F_impro01_F000")],
    "meld": [("meld/test/dia15_utt0", "meld-dia15_utt0-test")],
}
"""Corpus -> its clips: (clip, every way in which it is written)."""

SAID = [
    ("savee", "DC_a01", {"subject_id": "DC", "sex": "male", "label": "angry"}),
    ("savee", "KL_su02", {"subject_id": "KL", "text_id": "su02", "label": "surprised"}),
    ("enterface05", "subject 11/anger/sentence 1/s12_an_1", {"subject_id": "11"}),
    ("enterface05", "s12_an_1", {"subject_id": "12", "text_id": "an_1", "label": "angry"}),
    (
        "msp_improv",
        "MSP-IMPROV-S03H-M02-R-FF01",
        {"subject_id": "F02", "session_id": "session02", "group_id": "session02"},
    ),
    ("msp_improv", "MSP-IMPROV-S03H-M02-T-MF01", {"sex": "male", "text_id": "S03", "label": None}),
    ("msp_improv", "MSP-IMPROV-S03H-M02-P-MF01", {"subject_id": "M02", "text_id": None}),
    ("msp_podcast", "MSP-PODCAST_0407_0051", {"subject_id": None, "video_id": None}),
    ("emodb", "03a01Fa", {"subject_id": "03", "sex": "male", "text_id": "a01", "label": "happy"}),
    ("emodb", "16b10Wb", {"subject_id": "16", "sex": "female", "label": "angry"}),
    ("tess", "YAF_fall_ps", {"subject_id": "YAF", "text_id": "fall", "label": "surprised"}),
    ("esd", "0011/Angry/0011_000351", {"subject_id": "0011", "label": "angry"}),
    ("emovo", "rab-m1-n5", {"subject_id": "m1", "sex": "male", "label": "angry"}),
    ("shemo", "F01A02", {"subject_id": "F01", "sex": "female", "label": "angry"}),
    ("jlcorpus", "male2_happy_15b_2", {"subject_id": "male2", "sex": "male", "label": "happy"}),
    ("mosi", "03bSnISJMiM_11", {"subject_id": None, "video_id": "web/03bSnISJMiM"}),
    ("mosei", "mosei/100178[2]", {"subject_id": None, "video_id": "web/100178"}),
    ("pom", "pom/100178", {"video_id": "web/100178"}),
    ("sims", "video_0018_0004", {"subject_id": None, "video_id": "video_0018"}),
    ("sims2", "aqgy3_0001/00016", {"subject_id": None, "video_id": "aqgy3_0001"}),
    ("mer2023", "sample_00000236", {"subject_id": None, "video_id": None}),
    (
        "m3ed",
        "A_huanlesong_14_12",
        {"subject_id": None, "dialogue_id": "huanlesong_14", "series_id": "huanlesong"},
    ),
    ("m3ed", "woju", {"dialogue_id": None, "series_id": "woju"}),
    ("mead", "M011/audio/contempt/level_2/013", {"subject_id": "M011", "label": "contempt"}),
    ("mead", "W009/video/front/fear/level_3/001.mp4", {"take_id": "W009-fear-3-001"}),
    ("grid", "s14/video/mpg_6000/srwt9p", {"subject_id": "s14", "text_id": "srwt9p"}),
    ("lrs2", "main/5535415699068794046/00001", {"video_id": "5535415699068794046"}),
    ("lrs3", "test/UGtFXtnWME4/00001", {"subject_id": None, "video_id": "web/UGtFXtnWME4"}),
    (
        "voxceleb",
        "id05668/XWKC1JUM_ow/00053",
        {"subject_id": "id05668", "video_id": "web/XWKC1JUM_ow"},
    ),
    ("dfew", "dfew/00147", {"subject_id": None, "video_id": None, "label": None}),
    ("ferv39k", "Interview/Happy/0118", {"subject_id": None, "label": "happy"}),
    ("afew", "Train_AFEW/Angry/000223480", {"subject_id": None, "label": "angry"}),
    ("emorynlp", "sea1_ep15_sc10_utt1", {"episode_id": "s01e15", "dialogue_id": "s01e15_c10"}),
    ("aesdd", "f01 (2)", {"subject_id": "2", "label": "fearful"}),
    ("ased", "s4-07-02-01-31", {"subject_id": "31", "sex": "female", "label": "sad"}),
    ("asvpesd", "03-02-03-01-06-41-02-01-02-13", {"subject_id": "41"}),
    ("cafe", "04-J-2-1", {"subject_id": "04", "sex": "female", "label": "happy"}),
    ("casia", "wangzhe/neutral/241", {"subject_id": "wangzhe", "label": "neutral"}),
    ("emns", "recorded_audio_6EvwghX", {"subject_id": "3"}),
    ("emovdb", "josh_Amused/amused_169-196_0183", {"subject_id": "josh", "text_id": "0183"}),
    ("mesd", "Fear_C_A_abajo", {"subject_id": None, "sex": None, "label": "fearful"}),
    ("oreau", "m/sessj/38a03Ja", {"subject_id": "38", "sex": "male", "label": "happy"}),
    ("pavoque", "m0380-angry", {"subject_id": "stefan", "label": "angry"}),
    ("polish", "m3.s_oddaj_4", {"subject_id": "m3", "label": "fearful"}),
    ("resd", "32_happiness_enthusiasm_h_110", {"dialogue_id": "32_happiness_enthusiasm"}),
    ("subesco", "F_09_RUSHA_S_9_SAD_5", {"subject_id": "F_09", "sex": "female"}),
    ("turevdb", "Angry/1984_kz_konuk", {"subject_id": "1984", "label": "angry"}),
    ("urdu", "SF20_F1_N05", {"subject_id": "SF20", "sex": "female", "label": "neutral"}),
]
IDS = {field for field in Identity.__dataclass_fields__ if field.endswith("_id")}


@pytest.mark.parametrize(
    ("corpus", "clip", "names"),
    [(corpus, clip, names) for corpus, clips in ALIKE.items() for clip, *names in clips],
)
def test_a_clip_is_one_however_it_is_written(corpus: str, clip: str, names: list[str]) -> None:
    takes = {
        identity.take_id if corpus in {"savee", "msp_improv"} else identity.clip_id
        for name in (*names, clip)
        if (identity := CORPORA[corpus].identify(name))
    }
    assert takes == {clip}
    assert all(CORPORA[corpus].identify(name) for name in names)


@pytest.mark.parametrize(("corpus", "name", "said"), SAID)
def test_a_name_says_who_speaks_or_what_it_is_cut_from(
    corpus: str, name: str, said: dict[str, str | None]
) -> None:
    identity = CORPORA[corpus].identify(name)
    assert identity
    for field, value in said.items():
        is_own = field in IDS and value is not None and not value.startswith("web/")
        assert getattr(identity, field) == (f"{corpus}/{value}" if is_own else value), field


def test_every_corpus_has_its_names_here() -> None:
    others = {"cremad", "folder", "sample"}
    assert ALIKE.keys() == CORPORA.keys() - others
    with_an_expectation = {corpus for corpus, _, _ in SAID}
    assert with_an_expectation >= CORPORA.keys() - with_media().keys() - {"mafw", "emozionalmente"}


@pytest.mark.parametrize(
    ("corpus", "name"),
    [(corpus, name) for corpus, clips in ALIKE.items() for _, *names in clips for name in names],
)
def test_a_name_is_claimed_by_one_corpus(corpus: str, name: str) -> None:
    claiming = {other.name for other in CORPORA.values() if other.claims(name)}
    # Speaker, sentence and emotion of three numbers and letters: a list as a whole tells them.
    shared = {"emodb", "oreau"} if corpus in {"emodb", "oreau"} else set()
    assert claiming - shared <= {corpus}
    assert corpus in claiming | {"lrs2", "meld", "mer2023", "afew", "mosei"}


def test_the_page_of_names_lists_every_corpus_and_which_have_media() -> None:
    text = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \| .*\|([ \w]*)\|$", text, re.MULTILINE)
    assert {name: "media" in last for name, last in lines} == {
        name: name in with_media() for name in CORPORA
    }


NUMBERS = {"dfew": "00147", "mafw": "00147", "afew": "000223480", "pom": "100178"}


@pytest.mark.parametrize("corpus", NUMBERS)
def test_a_number_is_a_corpus_s_where_its_path_or_its_table_s_says_so(corpus: str) -> None:
    number, rule = NUMBERS[corpus], CORPORA[corpus]
    assert rule.identify(number)
    assert not rule.claims(number)
    assert rule.claims(number, f"lists/{corpus.upper()}_set_1_test.txt")
    assert rule.claims(f"/data/{corpus}/frames/{number}")
    assert not rule.claims(f"/data/{corpus}eii/frames/{number}")
    assert not any(one.claims(number) for one in CORPORA.values())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "clip",
        "S01_E01",
        "DC_x01",
        "DC_a16",
        "s45_an_1",
        "s4_an_6",
        "MSP-IMPROV-S21A-F01-S-FM01",
        "03a03Fa",
        "OAF_pool_anger",
        "0021_000001",
        "M1S01",
        "male3_happy_1a_1",
        "s35/srwt9p",
        "id1/XWKC1JUM_ow/00053",
        "M_09_SHUMANTA_S_9_JOY_5",
        "participant_12",
    ],
)
def test_what_no_corpus_can_contain_is_nobody_s(name: str) -> None:
    assert [one.name for one in CORPORA.values() if one.claims(name)] == []


# Published lists


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_metadata
def test_every_clip_of_savee_is_one_of_four_men() -> None:
    savee = [
        CORPORA["savee"].identify(row["name_in_emobox"]) for row in rows(METADATA / "savee_480.csv")
    ]
    counts = Counter(one.subject_id for one in savee if one)
    assert counts == dict.fromkeys(("savee/DC", "savee/JE", "savee/JK", "savee/KL"), 120)
    population = CORPORA["savee"].population
    assert population
    assert Counter(one.label for one in savee if one) == population.classes


@needs_metadata
def test_the_folder_tells_the_subject_of_enterface() -> None:
    for row in rows(METADATA / "enterface05_1287.csv"):
        identity = CORPORA["enterface05"].identify(f"{row['path_without_extension']}.avi")
        assert identity
        assert identity.subject_id == f"enterface05/{row['subject_by_folder']}"
        assert identity.label == {"anger": "angry", "fear": "fearful", "happiness": "happy"}.get(
            row["emotion"],
            {"sadness": "sad", "surprise": "surprised"}.get(row["emotion"], "disgust"),
        )


@needs_metadata
def test_who_speaks_in_msp_improv_and_in_which_session() -> None:
    for row in rows(METADATA / "mspimprov_4class_7787.csv"):
        identity = CORPORA["msp_improv"].identify(row["name"])
        assert identity
        assert identity.subject_id == f"msp_improv/{row['speaker_by_last_field']}"
        assert identity.session_id == f"msp_improv/session0{row['session']}"


def names_in(folder: str) -> list[str]:
    """The first path of each line, or the name of each record."""
    names = []
    for path in sorted((SPLITS / folder).iterdir()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            names += [json.loads(line)["key"] for line in text.splitlines()]
            names += [json.loads(line)["wav"] for line in text.splitlines()]
        elif text.startswith("file,"):
            names += [line.split(",")[0] for line in text.splitlines()[1:]]
        else:
            names += [line.split(" ")[0] for line in text.splitlines()]
    return names


@needs_metadata
@pytest.mark.parametrize(
    ("folder", "corpus", "speakers"),
    [
        ("enterface_emobox", "enterface05", 44),  # keys tell 12, whose folder is 11's, and 11 paths
        ("enterface_maedfer_5fold", "enterface05", 43),
        ("savee_emobox_4fold", "savee", 4),
        ("tess_nkululeko", "tess", 2),
        ("shemo_emobox", "shemo", 87),
        ("grid_lipnet_overlap", "grid", 33),
        ("mspimprov_hicmae_6fold", "msp_improv", 12),
        ("dfew_dferclip_5fold", "dfew", 0),
        ("lrs3_avhubert_valid", "lrs3", 0),
        ("m3ed_official", "m3ed", 0),
    ],
)
def test_every_name_of_a_published_list_is_read_and_the_speakers_counted(
    folder: str, corpus: str, speakers: int
) -> None:
    # The frames of MSP-IMPROV lie in folders with a word behind the name, which the audit reads.
    names = [name.removesuffix("_aligned") for name in names_in(folder)]
    identities = [CORPORA[corpus].identify(name) for name in names]
    assert len(names) > 50
    assert None not in identities
    assert len({one.subject_id for one in identities if one} - {None}) == speakers


@needs_metadata
def test_sixty_videos_and_fifty_six_series_are_known() -> None:
    clips = [
        CORPORA["sims"].identify(row["clip"])
        for row in rows(SPLITS / "sims_merbench" / "derived.csv")
    ]
    assert len({one.video_id for one in clips if one}) == 60
    series = [CORPORA["m3ed"].identify(name) for name in names_in("m3ed_official")]
    assert len({one.series_id for one in series if one}) == 56
