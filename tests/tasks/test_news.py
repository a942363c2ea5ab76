import csv
import hashlib
import random
import zipfile
from importlib.util import find_spec
from io import StringIO

import pytest

from bench.contracts import no_progress
from bench.errors import DataError
from bench.tasks import news
from bench.tasks._near_duplicates import first_of_their_kind
from bench.tasks.news import Article, News

installed = pytest.mark.skipif(find_spec(news.PACKAGE) is None, reason=f"{news.PACKAGE} is not installed: {news.INSTALL}")

WORDS = [f"{a}{b}" for a in ("ba", "ce", "di", "fo", "gu", "ha") for b in ("lan", "mer", "nis", "pot", "rus", "tak")]


def words(count, seed):
    return " ".join(random.Random(seed).choices(WORDS, k=count))


TITLE = words(7, "title")
TEXT = words(60, "text")


def pair(title=TITLE, text=TEXT, publisher="www.bbc.co.uk"):
    return News().pair(Article(publisher=publisher, title=title, text=text))


def package(folder, rows, monkeypatch):
    """Put a package of the same layout as the real one on the path. Importing it ends the process."""
    data = folder / "impostor" / "data" / "en"
    data.mkdir(parents=True)
    (folder / "impostor" / "__init__.py").write_text("raise SystemExit('imported')")
    table = StringIO(newline="")
    columns = ["article_id", "publish_date", "article_source_link", "title", "subtitle", "text"]
    writer = csv.DictWriter(table, columns, restval="")
    writer.writeheader()
    writer.writerows({"article_source_link": "http://www.dw.com/a", "title": title, "text": text} for title, text in rows)
    with zipfile.ZipFile(data / "NewsArticles.zip", "w") as archive:
        archive.writestr("NewsArticles.csv", table.getvalue())
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(news, "PACKAGE", "impostor")
    monkeypatch.setattr(news, "SHA256", hashlib.sha256((data / "NewsArticles.zip").read_bytes()).hexdigest())


ROWS = [(words(6, f"title {i}"), words(50 + i % 3 * 100, f"text {i}")) for i in range(200)]


def small(cache, **settings):
    return News(**{"test_examples": 10, "dev_examples": 4, **settings}).splits(cache, no_progress)


def where(splits):
    return {e.id: group for group in ("train", "unlabelled", "dev", "test") for e in getattr(splits, group)}


def test_the_document_is_the_first_150_words_and_the_target_the_headline():
    text = words(400, "long")
    assert pair(text=text) == (" ".join(text.split()[:150]), TITLE)


@pytest.mark.parametrize(
    "lead",
    [
        "MOSCOW, March 17. /TASS/. ",
        "BONN /Germany/, February 16. /TASS/. ",
        "MOSCOW, March 1. /TASS/ ",
        "SEOUL, Feb 9 (Reuters) - ",
        "Share this with Media playback is not supported on this device ",
    ],
)
def test_what_web_pages_and_agencies_put_before_the_text_is_taken_off(lead):
    assert pair(text=lead + TEXT) == (TEXT, TITLE)


@pytest.mark.parametrize(
    ("written", "read"),
    [  # prose: input data
        ('rules "?statute, really', "rules - statute, really"),
        ('he called it "love"?in English', 'he called it "love" in English'),
        ('it wasn"t so', "it wasn't so"),
        ("accused her.- Merkel left.-When", "accused her. Merkel left. When"),
        ("a well-known  line\nand another", "a well-known line and another"),
    ],
)
def test_typographic_characters_are_repaired(written, read):
    assert news.repaired(written) == read


@pytest.mark.parametrize(
    "changed",
    [
        {"title": " ".join(TITLE.split()[:3])},
        {"text": " ".join(TEXT.split()[:39])},
        {"title": f"{TITLE} \ufffdmer"},
        {"title": f'{TITLE} "tak"'},
        {"text": f"{TEXT} ba\ufffd\ufffdlan"},
        {"text": f"{TEXT} ba?lan"},
        {"text": f"{TEXT} ?50"},
        {"text": f"{TITLE}. {TEXT}"},
        {"text": f"{TEXT} {TITLE.upper()}"},
        {"title": "balan cemer Dinis Fopot", "publisher": "www.aljazeera.com"},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_articles_that_lack_characters_or_hold_their_headline_are_left_out(changed):
    assert isinstance(pair(**changed), str)


def test_a_name_in_the_text_may_end_a_headline_and_a_loss_after_150_words_does_no_harm():
    title = "balan cemer Dinis Fopot"
    assert pair(title, f"Fopot {TEXT}", "www.aljazeera.com") == (f"Fopot {TEXT}", title)
    assert pair(text=f"{words(150, 'long')} \ufffd") == (words(150, "long"), TITLE)


def test_the_rules_are_the_first_words_and_the_first_sentence():
    source = f"{words(5, 'a')}. {TEXT}."
    assert {name: rule(source) for name, rule in News().trivial_rules(()).items()} == {
        "first 12 words": " ".join(source.split()[:12]),
        "first sentence": f"{words(5, 'a')}.",
    }


def test_splits_are_disjoint_and_hold_what_the_file_holds(tmp_path, monkeypatch):
    package(tmp_path, [*ROWS, ("", TEXT), (TITLE, "")], monkeypatch)
    s = small(tmp_path / "cache", pool_examples=30)
    assert (len(s.test), len(s.dev), len(s.unlabelled)) == (10, 4, 30)
    assert len(where(s)) == sum(map(len, (s.train, s.unlabelled, s.dev, s.test)))
    targets = {" ".join(text.split()[:150]): title for title, text in ROWS}
    assert all(targets[e.source] == e.target for e in (*s.train, *s.dev, *s.test))
    assert all(e.source in targets and e.target is None for e in s.unlabelled)
    assert s.notes[0].startswith("200 ")
    assert s.notes[1].count("1 with") == 2


def test_one_story_told_twice_stands_once_and_more_articles_move_none(tmp_path, monkeypatch):
    package(tmp_path / "a", ROWS[:150], monkeypatch)
    few = small(tmp_path / "few")
    retold = [(words(6, f"other {i}"), f"{text} {words(3, i)}") for i, (_, text) in enumerate(ROWS[:20])]
    renamed = [(title, words(80, f"other text {title}")) for title, _ in ROWS[:20]]
    package(tmp_path / "b", [*ROWS, *retold, *renamed], monkeypatch)
    many = small(tmp_path / "many")
    assert len(where(many)) <= 200
    sources, targets = zip(*((e.source, e.target) for e in (*many.train, *many.dev, *many.test)), strict=True)
    assert len(first_of_their_kind(sources)) == len(first_of_their_kind(targets)) == len(sources)
    shared = where(few).keys() & where(many).keys()
    assert len(shared) > 100
    assert {i: where(few)[i] for i in shared} == {i: where(many)[i] for i in shared}


def test_the_second_asking_reads_no_article(tmp_path, monkeypatch):
    package(tmp_path, ROWS, monkeypatch)
    first = small(tmp_path / "cache")
    monkeypatch.setattr(news, "articles", pytest.fail)
    assert small(tmp_path / "cache") == first


def test_a_missing_package_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(news, "PACKAGE", "no_such_package_here")
    with pytest.raises(DataError) as raised:
        small(tmp_path)
    message = str(raised.value)
    assert news.INSTALL in message
    assert "`files` or `hub`" in message
    assert "\n" not in message


def test_another_file_than_the_pinned_is_refused(tmp_path, monkeypatch):
    package(tmp_path, ROWS, monkeypatch)
    monkeypatch.setattr(news, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"NewsArticles\.zip .*release 0\.12\.0"):
        small(tmp_path / "cache")


@installed
def test_the_real_file_gives_the_pairs_of_the_docs(tmp_path):
    s = News().splits(tmp_path, no_progress)
    assert int(s.notes[0].split()[0].replace(",", "")) == 3152
    assert (len(s.train), len(s.unlabelled), len(s.dev), len(s.test)) == (878, 1621, 200, 400)
