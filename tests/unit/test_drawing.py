import pytest

from utils.sources import drawing, drawn_signs

pytestmark = pytest.mark.check


def test_files_that_are_there_are_kept_and_others_are_drawn(tmp_path):
    jobs = [[str(tmp_path / f"{i}.png"), 1, 0, i, "stop", 16] for i in range(4)]
    (tmp_path / "2.png").write_bytes(b"mine")
    drawing.draw_files(drawn_signs.draw, jobs, "Drawing")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{i}.png" for i in range(4)]
    assert (tmp_path / "2.png").read_bytes() == b"mine"
    assert (tmp_path / "3.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_or_written_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="could not write"):
        jobs = [[str(tmp_path / "file" / "1.png"), 1, 0, 0, "stop", 16]]
        drawing.draw_files(drawn_signs.draw, jobs, "Drawing")
    with pytest.raises(ValueError, match="cannot draw a 'cow'"):
        jobs = [[str(tmp_path / "1.png"), 1, 0, 0, "cow", 16]]
        drawing.draw_files(drawn_signs.draw, jobs, "Drawing")


def test_who_finishes_second_keeps_what_is_there(tmp_path):
    folder, partial = tmp_path / "signs", tmp_path / ".signs.seeds1"
    for place in (partial, folder):
        place.mkdir()
        (place / "a").write_text(place.name)
    drawing.draw_set(drawn_signs.draw, folder, {"train": (1, [])})
    assert (folder / "a").read_text() == "signs"
    assert not partial.exists()
    with pytest.raises(OSError):
        drawing.draw_set(drawn_signs.draw, tmp_path / "elsewhere", {})


def test_who_is_overtaken_while_drawing_keeps_what_is_there(tmp_path, monkeypatch):
    folder, partial = tmp_path / "signs", tmp_path / ".signs.seeds1"
    partial.mkdir()

    def draw_files(*_):
        partial.rename(folder)  # another lesson has finished
        raise FileNotFoundError("the file that was being written")

    monkeypatch.setattr(drawing, "draw_files", draw_files)
    drawing.draw_set(drawn_signs.draw, folder, {"train": (1, [])})
    assert folder.is_dir() and not partial.exists()
