"""Room on disk for the files made for visitors."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearn.errors import JobError, ModelError
from unlearn.files.downloads import MARGIN, Downloads


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def written(folder: Path, size: int = 10) -> Path:
    (folder / "file").write_bytes(b"x" * size)
    return folder / "file"


def test_all_files_together_stay_under_the_limit(root: Path):
    downloads = Downloads(2 * MARGIN)
    downloads.make("a", 0, lambda folder: written(folder, MARGIN))
    with pytest.raises(JobError, match="no room"):
        downloads.make("b", MARGIN, written)
    downloads.forget("a")
    assert downloads.make("b", MARGIN, written).exists()
    assert len(list(root.iterdir())) == 1


def test_a_file_being_made_holds_its_room(root: Path):
    downloads = Downloads(2 * MARGIN)

    def write(folder: Path) -> Path:
        with pytest.raises(JobError, match="no room"):
            downloads.make("b", MARGIN, written)
        return written(folder)

    downloads.make("a", 0, write)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ModelError("it cannot be"), KeyError("x")])
def test_what_fails_leaves_nothing_behind(root: Path, error: Exception):
    def fail(folder: Path) -> Path:
        written(folder)
        raise error

    downloads = Downloads()
    before = downloads.make("a", 0, written)
    with pytest.raises(type(error)):
        downloads.make("a", 0, fail)
    assert list(root.iterdir()) == [before.parent], "what the visitor had stays"


def test_two_files_of_one_visitor_at_once_leave_each_other_alone(root: Path):
    downloads, made = Downloads(), []
    old = downloads.make("a", 0, written)

    def write(folder: Path) -> Path:
        assert old.exists(), "the older goes when the newer is there"
        made.append(downloads.make("a", 0, written))
        return written(folder)

    made.append(downloads.make("a", 0, write))
    assert all(path.exists() for path in made)
    assert not old.exists()
    last = downloads.make("a", 0, written)
    assert list(root.iterdir()) == [last.parent]


def test_one_address_takes_its_share_and_no_more(root: Path):
    downloads = Downloads(16 * MARGIN)

    def make(owner: str, payer: str) -> Path:
        return downloads.make(owner, 0, lambda folder: written(folder, MARGIN), payer=payer)

    for number in range(4):
        first = make(str(number), "192.0.2.1")
    with pytest.raises(JobError, match="your address may take 64 MB"):
        make("4", "192.0.2.1")
    assert make("3", "192.0.2.1") != first, "replaces the caller's own file"
    assert make("5", "192.0.2.2").exists()
    large = downloads.make("6", 6 * MARGIN, written, payer="192.0.2.3")
    assert large.exists(), "a single file may be larger than a share"


def test_a_file_of_a_visit_that_ended_meanwhile_is_not_kept(root: Path):
    downloads = Downloads()

    def write(folder: Path) -> Path:
        downloads.forget("a")
        folder.mkdir()
        return written(folder)

    with pytest.raises(JobError, match="visit has ended"):
        downloads.make("a", 0, write)
    assert not any(root.iterdir())


def test_where_both_do_not_fit_the_older_goes_first(root: Path):
    downloads = Downloads(3 * MARGIN)
    downloads.make("a", 0, lambda folder: written(folder, 2 * MARGIN))
    assert downloads.make("a", MARGIN, written).exists()
    assert len(list(root.iterdir())) == 1


def test_with_the_downloads_go_their_files(root: Path):
    downloads = Downloads()
    downloads.make("a", 0, written)
    del downloads
    assert not any(root.iterdir())
