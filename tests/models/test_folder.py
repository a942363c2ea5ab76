import shutil

import pytest
from pydantic import ValidationError

from bench.errors import CheckpointError
from bench.models.folder import Folder
from bench.models.random import Random


def test_a_good_folder_is_given_as_it_is(tmp_path):
    made = Random().folder(tmp_path)
    assert Folder(path=str(made)).folder(tmp_path) == made
    assert Folder(path=str(made)).title == made.name


def test_a_relative_path_counts_from_where_bench_runs(tmp_path, monkeypatch):
    shutil.copytree(Random().folder(tmp_path), tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert Folder(path="mine").folder(tmp_path) == tmp_path / "mine"


def test_a_folder_that_may_not_be_loaded_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        Folder(path=str(tmp_path / "nowhere")).folder(tmp_path)


def test_naming_a_folder_touches_no_file():
    Folder(path="/nowhere/at/all")
    with pytest.raises(ValidationError):
        Folder(path="")
