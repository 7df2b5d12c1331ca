"""The labelled study descriptions are whole: columns, terms, no row twice, enough of every kind."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "evaluation"
INPUTS = [
    "modality",
    "study_description",
    "series_description",
    "body_part_examined",
    "procedure_code",
    "procedure_code_scheme",
    "laterality_tag",
]
LABELS = ["modality_group", "regions", "laterality", "contrast"]
GROUP_WORDS = "CT MR XR US MG NM PT XA RF OPH DX_DENTAL ECG ES PHOTO OTHER"
REGION_WORDS = (
    "HEAD BRAIN SKULL FACE ORBIT EYE EAR SINUS JAW TOOTH NECK THYROID CSPINE TSPINE LSPINE SACRUM SPINE CHEST LUNG "
    "RIB STERNUM HEART CORONARYARTERY AORTA BREAST SHOULDER CLAVICLE HUMERUS ELBOW FOREARM WRIST HAND FINGER ABDOMEN "
    "LIVER GALLBLADDER PANCREAS SPLEEN KIDNEY URETER BLADDER COLON PELVIS PROSTATE UTERUS OVARY TESTIS HIP FEMUR KNEE "
    "TIBIA ANKLE FOOT TOE CAROTID LEG ARM WHOLEBODY SKIN"
)
GROUPS, REGIONS = set(GROUP_WORDS.split()), set(REGION_WORDS.split())


def read_set(name: str) -> list[dict[str, str]]:
    head, *lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    columns = head.split("\t")
    assert columns == ["id", *INPUTS, *LABELS, "language"]
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]


@pytest.fixture(scope="module", params=["exams.tsv", "outsiders.tsv"])
def either(request: pytest.FixtureRequest) -> list[dict[str, str]]:
    return read_set(request.param)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read_set("exams.tsv")


def test_labels_are_terms_of_the_lists(either: list[dict[str, str]]) -> None:
    for row in either:
        regions = row["regions"].split(";") if row["regions"] else []
        assert row["modality_group"] in GROUPS, row
        assert set(regions) <= REGIONS, row
        assert len(set(regions)) == len(regions), row
        assert row["laterality"] in {"L", "R", "B", "U", ""}, row
        assert row["contrast"] in {"yes", "no", "unknown"}, row
        assert all(value == value.strip() for value in row.values()), row


def test_no_row_stands_twice(either: list[dict[str, str]]) -> None:
    assert len({row["id"] for row in either}) == len(either) >= 500
    inputs = Counter(tuple(row[column] for column in INPUTS) for row in either)
    assert [several for several, times in inputs.items() if times > 1] == []


def test_every_group_and_region_is_there_often_enough(rows: list[dict[str, str]]) -> None:
    assert len(rows) >= 1500
    groups = Counter(row["modality_group"] for row in rows)
    regions = Counter(region for row in rows for region in row["regions"].split(";"))
    assert [group for group in GROUPS if groups[group] < 10] == []
    assert [region for region in REGIONS | {""} if regions[region] < 10] == []
    assert groups["XR"] > groups["CT"] > groups["MR"] > groups["US"], "as in practice"


def test_same_inputs_but_for_case_have_the_same_labels(either: list[dict[str, str]]) -> None:
    labels: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for row in either:
        key = tuple(" ".join(row[column].casefold().split()) for column in INPUTS)
        labels.setdefault(key, set()).add(tuple(row[label] for label in LABELS))
    assert [key for key, several in labels.items() if len(several) > 1] == []


def test_both_halves_are_large(either: list[dict[str, str]]) -> None:
    development = sum(sha256(row["id"].encode()).digest()[0] % 2 == 0 for row in either)
    assert 0.45 < development / len(either) < 0.55
