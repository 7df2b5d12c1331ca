"""The search over everything on both databases: the same corpus, the same questions, the same answers."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import text as sql

from contracts.described import a_kept
from contracts.indexes import opened
from imagebank.model.access import Clause, Scope
from imagebank.model.completeness import Completeness, Progress, Standing
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.search import Facet, Line, Mark, Marks, Nearness, Weight, Wish, document, marks_for
from imagebank.model.uid import Uid
from imagebank.storage import eras
from imagebank.storage import migrate as migration
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.marks import beginning_of, era_marks, eras_within, lexemes_of
from imagebank.storage.words import place_of
from schema import fresh_database, migrated_database, migrated_file

ALL = Scope(organizations=None)
NAMES = [
    "Meyer^Ada",
    "Meier^Berta",
    "Müller-Lüdenscheidt^Heinz",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Щукин",
    "שרון^דבורה",
]
SAID = [
    "CT knee left",
    "MR head, follow-up",
    "Röntgen Thorax",
    "CT Abdomen 3.4.2020",
    "knees both",
    "it's 100% 'quoted' \\ | & ! <-> :*",
]
QUESTIONS = [
    *("meyer", "MEY", "meier ct", "mayr", "miller", "mueller", "ludensch", "山", "太郎", "ヤマダ", "щук", "שרון"),
    *("ct", "ct knee", "kne", "abdomne", "2020-04-03", "it's", "100%", "'quoted'", "\\ | & ! <-> :*", "rontgen", ""),
    *("meye", "abdom", "abdome", "abdomen", "privat", "private1"),
    *("p0001", "P-0001", "2.25.7", "left right", "nothing at all", "*", '"', "knee OR meyer NOT x"),
]


@pytest.fixture
def both(postgres: str, tmp_path: Path) -> Iterator[tuple[SQLIndex, SQLIndex]]:
    with (
        opened(migrated_file(tmp_path / "index.db")) as embedded,
        migrated_database(postgres) as address,
        opened(address) as served,
    ):
        yield embedded, served


def uid(number: int) -> str:
    return f"2.25.{number}"


def enter(
    index: SQLIndex,
    number: int,
    said: str = "",
    *,
    organization: str = "north",
    modality: str = "CT",
    day: str | None = None,
) -> None:
    """One study that is of somebody and says something."""
    name = NAMES[number % len(NAMES)]
    kept = a_kept(
        study=uid(number),
        patient=f"P-{number:04}",
        organization=organization,
        content=f"content {number}",
        record=number,
        PatientName=name,
        StudyDate=f"20{10 + number % 15}0102" if day is None else day,
        Modality=modality,
    )
    with index.begin() as tx:
        tx.enter([kept])
    write(index, number, said or SAID[number % len(SAID)])


def write(index: SQLIndex, number: int, said: str) -> bool:
    lines = [
        Line(Weight.NAME, "PatientName", NAMES[number % len(NAMES)].replace("^", " "), is_name=True),
        Line(Weight.NAME, "PatientID", f"P-{number:04}"),
        Line(Weight.NAME, "StudyInstanceUID", uid(number)),
        Line(Weight.DESCRIPTION, "StudyDescription", said),
        Line(Weight.REST, "(0029,xx10) ACME", f"private{number} {SAID[(number + 1) % len(SAID)]}"),
    ]
    named = {Facet.DEPARTMENT: ["Surgery"] if number % 3 else [], Facet.BODY_PART: ["KNEE", "HEAD"][: number % 3]}
    made = document(Uid(uid(number)), lines, named)
    with index.begin() as tx:
        return tx.words.put(made, versions(index, number))


def versions(index: SQLIndex, number: int) -> dict[Uid, int]:
    return {one: version for _, one, version in index.series_of(Selection(study=Uid(uid(number))), ALL)}


def fill(index: SQLIndex, number: int = 60) -> None:
    for one in range(number):
        enter(index, one, organization="north" if one % 2 else "south", modality=["CT", "MR", "CR"][one % 3])


def found(index: SQLIndex, marks: Marks, scope: Scope = ALL, most: int = 1000) -> list[str]:
    hits = index.words.hits(marks, scope, most)
    shown = index.words.shown([hit.place for hit in hits], scope)
    return [shown[hit.place][0].attributes["0020000D"]["Value"][0] for hit in hits]


def test_both_databases_find_the_same_in_the_same_order(both: tuple[SQLIndex, SQLIndex]) -> None:
    scopes = [
        ALL,
        Scope.of("north"),
        Scope.nothing(),
        Scope(frozenset(["south"]), denies=(Clause(modalities=frozenset(["MR"])),)),
    ]
    chosen: list[dict[Facet, tuple[str, ...]]] = [
        {},
        {Facet.MODALITY: ("ct", "MR"), Facet.BODY_PART: ("knee",)},
        {Facet.YEAR: ("2012",)},
        {Facet.SEX: ("F",)},
    ]
    answers = []
    for index in both:
        fill(index)
        answer = {}
        for text in QUESTIONS:
            alike = {word: index.words.alike(word) for word in re.findall(r"\w+", text.lower())}
            for nearness in Nearness:
                for scope in scopes:
                    for number, some in enumerate(chosen):
                        given = alike if nearness is Nearness.ALIKE else None
                        marks = marks_for(Wish(text, some), nearness, given)
                        hits = index.words.hits(marks, scope, 20)
                        answer[text, nearness, scopes.index(scope), number] = (alike, hits)
        answers.append(answer)

    assert answers[0] == answers[1]
    assert sum(bool(hits) for _, hits in answers[0].values()) > 300, "something was found"


@pytest.mark.parametrize("few", [0, 1000])
def test_both_databases_tell_alike_which_question_finds_a_study(
    both: tuple[SQLIndex, SQLIndex], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(eras, "_VERY_FEW", few)
    wishes = [Wish(text) for text in ("kne", "meyer", "mey ct", "left right", "abdomen ct", "nowhere", "")]
    nearnesses = (Nearness.NAME, Nearness.DESCRIPTION, Nearness.TEXT)
    questions = [
        [marks_for(wish, nearness, is_whole=whole) for nearness in nearnesses for whole in (True, False)]
        for wish in wishes
    ]
    answers = []
    for index in both:
        fill(index, 30)
        answers.append(
            [index.words.graded(passes, Scope.of("north"), most) for passes in questions for most in (3, 4, 100)]
        )

    assert answers[0] == answers[1]
    assert len({number for hits in answers[0] for number, _ in hits}) > 2, "they are found by different questions"


def test_newer_studies_come_first_and_no_more_than_asked_for(index: SQLIndex) -> None:
    for number in (3, 1, 2):
        enter(index, number, "knee")
    marks = marks_for(Wish("knee"), Nearness.DESCRIPTION)

    assert found(index, marks) == [uid(3), uid(2), uid(1)]
    assert len(index.words.hits(marks, ALL, 2)) == 2
    assert found(index, ()) == [uid(3), uid(2), uid(1)]


def test_what_the_scope_hides_is_neither_found_nor_shown(index: SQLIndex) -> None:
    enter(index, 1, "knee", organization="north")
    enter(index, 2, "knee", organization="south")
    marks = marks_for(Wish("knee"), Nearness.TEXT)
    everything = index.words.hits(marks, ALL, 10)
    of_north = index.words.hits(marks, Scope.of("north"), 1)

    assert [len(everything), len(of_north)] == [2, 1], "what is hidden takes no place among the first"
    assert list(index.words.shown([hit.place for hit in everything], Scope.of("north"))) == [of_north[0].place]
    assert index.words.hits((), Scope.nothing(), 10) == []


def test_a_study_is_chosen_by_how_far_it_has_come(index: SQLIndex) -> None:
    def progress(number: int, now: Progress | None) -> None:
        standing = Standing(now or Progress.UNKNOWN)
        whole = Completeness(Uid(uid(number)), "north", PatientId("north", "P"), standing)
        with index.begin() as tx:
            if now is None:
                tx.completeness.drop(whole.study)
            else:
                assert tx.completeness.put(whole, versions(index, number), datetime.now(UTC))
        with index.begin() as tx:
            tx.words.stand(whole.study)

    def of(now: Progress, text: str = "") -> list[str]:
        return found(index, marks_for(Wish(text, {Facet.COMPLETENESS: (now.value,)}), Nearness.TEXT))

    for number in (1, 2, 3):
        enter(index, number, "knee")
    progress(1, Progress.ARRIVING)
    progress(2, Progress.ARRIVING)
    arriving = of(Progress.ARRIVING, "kne")
    progress(2, Progress.MISSING)
    progress(2, Progress.MISSING)
    hits = index.words.hits(marks_for(Wish("knee"), Nearness.TEXT), ALL, 9)
    write(index, 2, "knee again")
    after = of(Progress.ARRIVING), of(Progress.MISSING, "again")
    progress(2, None)
    with index.begin() as tx:
        tx.words.stand(Uid("2.25.99"))

    assert arriving == [uid(2), uid(1)]
    assert [value for hit in hits for facet, value in hit.values if facet is Facet.COMPLETENESS] == [
        "missing",
        "arriving",
    ]
    assert after == ([uid(1)], [uid(2)])
    assert of(Progress.MISSING) == []
    assert found(index, marks_for(Wish("again"), Nearness.TEXT)) == [uid(2)]


def test_a_study_that_is_written_anew_loses_its_former_words(index: SQLIndex) -> None:
    enter(index, 1, "kneescan")
    assert write(index, 1, "shoulder")

    assert found(index, marks_for(Wish("kneescan"), Nearness.TEXT)) == []
    assert found(index, marks_for(Wish("shoulder"), Nearness.TEXT)) == [uid(1)]
    assert (index.words.alike("kneescam"), index.words.alike("shoulter")) == ([], ["shoulder"])


def test_a_document_of_a_study_that_changed_meanwhile_is_not_taken(index: SQLIndex) -> None:
    enter(index, 1)
    made = document(Uid(uid(1)), [Line(Weight.NAME, "PatientName", "Late")])
    with index.begin() as tx:
        taken = [tx.words.put(made, {}), tx.words.put(document(Uid("2.25.99"), []), {})]

    assert taken == [False, False]


def test_a_word_that_another_study_has_stays_known(index: SQLIndex) -> None:
    enter(index, 1, "kneescan")
    enter(index, 2, "kneescan")
    with index.begin() as tx:
        tx.remove(Selection(study=Uid(uid(1))), ALL)
    stays = index.words.alike("kneescam")
    with index.begin() as tx:
        tx.remove(Selection(study=Uid(uid(2))), ALL)

    assert (stays, index.words.alike("kneescam")) == (["kneescan"], [])
    assert found(index, ()) == []


def test_studies_that_nothing_was_written_of_are_listed(index: SQLIndex) -> None:
    fill(index, 3)
    with index.begin() as tx:
        tx.enter([a_kept(study="9.1"), a_kept(study="9.2", organization="south")])

    assert index.words.unwritten(10, ALL) == ["9.1", "9.2"]
    assert index.words.unwritten(1, ALL, "9.1") == ["9.2"]
    assert index.words.unwritten(10, Scope.of("south")) == ["9.2"]


def test_clearing_takes_everything_out(index: SQLIndex) -> None:
    fill(index, 5)
    with index.begin() as tx:
        tx.clear()
    enter(index, 1, "knee")

    assert found(index, marks_for(Wish("knee"), Nearness.TEXT)) == [uid(1)]
    assert index.words.alike("meyr") == []


def test_places_are_in_the_order_of_time() -> None:
    days = [
        ("", ""),
        ("17000101", "1200"),
        ("19991231", "235959"),
        ("20000101", ""),
        ("20000101", "0900"),
        ("99991231", "x"),
    ]
    places = [place_of(7, day, time) for day, time in days]

    assert places == sorted(places)
    assert places[0] == place_of(7, "2020", "") == 7
    assert places[-1] < 2**63


@pytest.mark.parametrize("number", [1, 400])
def test_no_word_of_what_was_taken_out_is_left_in_a_file(tmp_path: Path, number: int) -> None:
    with opened(migrated_file(tmp_path / "index.db")) as index:
        for one in range(number):
            enter(index, one, "kneescan others" if one % 2 else "kneescan")
        enter(index, 5001, "quixotic zebrafish")
        with index.begin() as tx:
            tx.remove(Selection(study=Uid(uid(5001))), ALL)
        index.wipe()
        data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        still = len(found(index, marks_for(Wish("kneescan"), Nearness.TEXT)))

    # FTS5 writes no beginning twice that two neighbouring words share, so the ends are looked for.
    assert [trace for trace in (b"uixotic", b"ebrafish", b"rivate5001") if trace in data] == []
    assert still == number


@pytest.mark.parametrize("few", [-1, 0, 3])
def test_a_frequent_word_is_looked_for_era_by_era_and_finds_the_same(
    both: tuple[SQLIndex, SQLIndex], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(eras, "_FEW", few)
    monkeypatch.setattr(eras, "_VERY_FEW", few)
    answers = []
    for index in both:
        fill(index, 40)
        enter(index, 41, "CT knee of no day", day="")
        questions = [marks_for(Wish(text), Nearness.TEXT) for text in ("ct", "kne", "knee ct", "left right", "nowhere")]
        answers.append([index.words.hits(marks, Scope.of("north"), most) for marks in questions for most in (5, 100)])

    assert answers[0] == answers[1]
    assert [len(hits) for hits in answers[0]][:2] == [5, 14]


def test_what_postgresql_has_sampled_tells_which_words_are_frequent(postgres: str) -> None:
    with migrated_database(postgres) as address, opened(address) as index:
        nothing = index.words.hits(marks_for(Wish("ct"), Nearness.TEXT), ALL, 5)
        fill(index, 40)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("ANALYZE mark")
        database = open_database(address)
        with database.reading() as connection:
            known = eras.Eras().frequent(connection)
            by_era = eras._by_era(connection, ((Mark("bct"),),), 5, 40.0)
            found = [place for places in by_era for place in places]
        database.close()

    assert nothing == []
    assert known.studies == 40
    assert known.shares["bct"] > 0.03
    assert known.expected(((Mark("bct"),), (Mark("bkne", is_beginning=True),))) > (1, 0)
    assert known.expected(((Mark("bct"),), (Mark("nowhere"),)))[1] == 1
    assert found == sorted(found, reverse=True)
    assert found


def test_the_migration_gives_studies_the_lexemes_that_they_would_have_now(postgres: str) -> None:
    marks = {
        1 << 51: "aada a4711 apada bsc b山田 b山 cщит cщ ab f0435420 pmr",
        2: "cfollow-up cfollow c12 babdomen",
    }
    with fresh_database(postgres) as address:
        database = open_database(address)
        with database.writing() as connection:
            command.upgrade(migration._config(connection), "0026")
            for place, some in marks.items():
                row = {"place": place, "marks": " ".join(f"'{mark}'" for mark in (*some.split(), f"e{place >> 50:x}"))}
                connection.execute(sql("INSERT INTO mark VALUES (:place, CAST(:marks AS tsvector))"), row)
        migration.migrate(database)
        with database.reading() as connection:
            rows = connection.execute(sql("SELECT place, tsvector_to_array(marks) FROM mark")).all()
        database.close()

    assert {place: set(lexemes) for place, lexemes in rows} == {
        place: set(lexemes_of(place, some).replace("'", "").split()) for place, some in marks.items()
    }


def test_a_study_of_very_many_words_is_kept_by_postgresql_with_as_many_beginnings_as_there_is_room_for() -> None:
    words = [f"c{number:05}{'w' * 40}" for number in range(20_000)]
    lexemes = lexemes_of(1, " ".join(["azz", *words])).split()

    assert 1_000_000 - 20 < sum(len(lexeme) - 2 for lexeme in lexemes) < 1_000_000 + 20
    assert {"'azz'", "'C000'", *(f"'{word}'" for word in words)} <= set(lexemes)


@pytest.mark.parametrize("newest", [1831, 1791, 64, 5])
@pytest.mark.parametrize("width", [1, 8, 70, 400])
@pytest.mark.parametrize("is_first", [False, True])
def test_few_marks_stand_for_a_stretch_of_eras_and_for_no_other(newest: int, width: int, *, is_first: bool) -> None:
    first = beginning_of(newest, width)
    spans = {mark.text for mark in eras_within(first, newest, is_first=is_first)}
    met = [era for era in range(1, 2000) if spans & set(era_marks(era << 50))]

    assert met[0] == first <= max(newest - width + 1, 1)
    assert [era for era in met if era <= newest] == list(range(first, newest + 1))
    assert is_first or met[-1] == newest
    assert len(spans) < 20
    assert not spans & set(era_marks(7))
