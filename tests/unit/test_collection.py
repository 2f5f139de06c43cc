"""A large collection, without Ray: what is listed, read, written, refused and found again."""

import numpy as np
import pytest
from pyarrow import parquet

from tests.conftest import write_classes
from utils import collection, datasets, features
from utils.running import cli

pytestmark = pytest.mark.check


@pytest.fixture
def rows(tmp_path):
    """Ten pictures of 40 px in two folders, and two files that are none."""
    folder = write_classes(tmp_path / "pictures", 5, size=40)
    (folder / "cat" / "broken.png").write_text("<html>Not found</html>")
    whole = (folder / "dog" / "dog 0.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    return collection.identified(folder)


def batch_of(rows):
    return {name: np.array([row[name] for row in rows], object) for name in rows[0]}


def test_pictures_are_named_by_their_place_in_the_folder_in_order(rows):
    names = [row["identifier"] for row in rows]
    assert len(names) == 12
    assert names == sorted(names)
    assert names[0] == "cat/broken.png"  # with / on every system


def test_a_file_that_cannot_be_read_gets_a_reason_and_the_others_their_pixels(rows):
    batch = collection.read(batch_of(rows), 32)
    assert batch["image"].shape == (12, 32, 32, 3)
    assert batch["image"].dtype == np.uint8
    told = {
        name: why for name, why in zip(batch["identifier"], batch["reason"], strict=True) if why
    }
    assert set(told) == {"cat/broken.png", "dog/cut.png"}
    assert not any("/" in why for why in told.values())  # the path stands beside it
    black = batch["image"].reshape(12, -1).max(1) == 0
    assert [*black] == [bool(why) for why in batch["reason"]]


def test_what_an_actor_writes_is_what_features_extract_gives(rows, tmp_path, home, lite):
    output = tmp_path / "out"
    output.mkdir()
    actor = collection.Extractor("efficientnet_lite0", 32, str(output))
    said = actor(collection.read(batch_of(rows), 32))
    assert [*said["identifier"]] == [row["identifier"] for row in rows]
    (file,) = output.iterdir()
    table = parquet.read_table(file)
    assert table.column_names == ["identifier", "path", "reason", "features"]
    values = table["features"].to_pylist()
    assert [value is None for value in values] == [bool(why) for why in table["reason"].to_pylist()]
    for row in rows:
        if "broken" in row["identifier"] or "cut" in row["identifier"]:
            (tmp_path / "pictures" / row["identifier"]).unlink()
    split = datasets.load(tmp_path / "pictures").train
    usual = features.extract(collection.pooled("efficientnet_lite0", 32), split).values
    found = dict(zip(table["identifier"].to_pylist(), values, strict=True))
    mine = [found[path.relative_to(tmp_path / "pictures").as_posix()] for path in split.paths]
    np.testing.assert_allclose(mine, usual, atol=1e-4)
    assert collection.done(output) == {row["identifier"] for row in rows}
    assert set(collection.unreadable(output)) == {"cat/broken.png", "dog/cut.png"}


def test_an_output_of_other_settings_is_refused_before_anything_runs(rows, tmp_path):
    output = tmp_path / "out"
    collection.agree(output, "efficientnet_lite0", 32)
    collection.agree(output, "efficientnet_lite0", 32)
    with pytest.raises(collection.CollectionError, match=r"at 32 pixels.*name another folder"):
        collection.agree(output, "efficientnet_lite0", 64)


def test_an_empty_output_holds_nothing(tmp_path):
    assert collection.done(tmp_path) == set()
    assert collection.unreadable(tmp_path) == {}


def test_no_picture_is_said(tmp_path):
    with pytest.raises(collection.CollectionError, match="there is no picture"):
        collection.extract([], tmp_path, "efficientnet_lite0", 32)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["nowhere", "--output", "out"], "there is no folder nowhere"),
        ([".", "--output", "out", "--actors", "0"], "actors is 0, but it must be a whole number"),
        ([".", "--output", "out", "--network", "lite9"], "there is no backbone 'lite9'"),
    ],
)
def test_a_slip_of_the_keyboard_is_said_in_a_sentence(typed, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["collection", *typed]) == 2
    assert said in capsys.readouterr().err
