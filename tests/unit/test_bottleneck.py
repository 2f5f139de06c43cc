import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import backbones, bottleneck, datasets, features
from utils.base.folders import ROOT
from utils.base.framework import keras
from utils.bottleneck import PackError
from utils.running import cli
from utils.running.train_head import train_head

pytestmark = pytest.mark.check

NAMES = [
    "efficientnet_lite0_pets_4_bottleneck_features_train.npz",
    "efficientnet_lite0_pets_bottleneck_features_validation.npz",
]


def make_pets(folder, classes=("cat", "dog")):
    for i, split in enumerate(("train", "validation")):
        write_classes(folder / split, 6, classes, first=10 * i)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two packs, made by the real command in a real process, and what it printed."""
    place = tmp_path_factory.mktemp("packs")
    make_pets(place / "pets")
    environment = os.environ | {
        f"COURSE_{name}_DIR": str(place / name) for name in ("DATA", "CACHE", "WEIGHTS")
    }

    def run(*arguments):
        command = [sys.executable, "-m", "utils.course", *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )

    done = run("bottleneck", "--network", "efficientnet_lite0", "--dataset", place / "pets",
               "--per-class", 4, "--image_size", 32, "--output", place)  # fmt: skip
    return place, run, done


@pytest.fixture
def command(home, capfd):
    """The same command in this process: TensorFlow need not be imported again."""

    def run(*arguments):
        code = cli.main([*map(str, arguments)])
        return SimpleNamespace(returncode=code, **capfd.readouterr()._asdict())

    return run


def packs(place):
    return [bottleneck.read(place / name) for name in NAMES]


def test_the_command_writes_two_packs_of_the_sources_names(made):
    place, _, done = made
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in place.glob("*.npz")) == NAMES
    assert "8 × 1 × 1 × 1280" in done.stdout and "12 × 1 × 1 × 1280" in done.stdout
    train, validation = packs(place)
    assert train.labels.tolist() == [0] * 4 + [1] * 4  # four a class
    assert validation.labels.tolist() == [0] * 6 + [1] * 6  # validation is left whole
    assert train.class_names == ("cat", "dog")
    assert train.file_names[0] == "train/cat/cat 0.png"
    assert train.about["network"] == "efficientnet_lite0" and "keras" in train.about["versions"]
    bottleneck.match(train, validation)


def test_the_name_says_how_many_pictures_a_class_has(made, home):
    """Not how many were asked for: of six a class, a hundred cannot be taken."""
    for asked, said in ((100, "_6"), (5, "_5"), (0, "")):
        train, _ = bottleneck.write(
            datasets.load(made[0] / "pets"), "efficientnet_lite0", home / "packs", asked, 32
        )
        assert train.name == NAMES[0].replace("_4", said)


def test_a_pack_holds_what_the_base_says_in_order(made, home):
    place, _, _ = made
    base = backbones.build("efficientnet_lite0", 32)
    data = datasets.load(place / "pets")
    expected = features.extract(base, data.validation).values
    validation = packs(place)[1]
    np.testing.assert_allclose(validation.features, expected, atol=1e-5)
    assert validation.digests == data.validation.digests
    assert validation.about["weights"] == features.model_digest(base)


def test_the_command_trains_a_head_and_says_how_it_went(made, command):
    place = made[0]
    done = command("train-head", "--training_file", place / NAMES[0],
               "--validation_file", place / NAMES[1], "--epochs", 3, "--batch_size", 4)  # fmt: skip
    assert done.returncode == 0, done.err
    assert len(re.findall(r"^Epoch \d/3$", done.out, re.MULTILINE)) == 3
    assert done.out.count("val_accuracy: ") == 3
    said = float(re.search(r"validation accuracy (0\.\d{3}|1\.000) \(", done.out)[1])
    stem = NAMES[0].removesuffix(".npz")
    assert (place / f"{stem}_curve.png").read_bytes().startswith(b"\x89PNG")
    head = keras.models.load_model(place / f"{stem}_head.keras")
    validation = packs(place)[1]
    predicted = np.array(head(validation.features)).argmax(-1)
    assert (predicted == validation.labels).mean() == pytest.approx(said, abs=6e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training_file", "no.npz", "--validation_file", "no.npz"], "there is no pack no.npz"),
        (
            ["--training_file", ROOT / "README.md", "--validation_file", ROOT / "README.md"],
            "README.md cannot be used",
        ),
    ],
)
def test_wrong_files_get_one_sentence(command, arguments, message):
    done = command("train-head", *arguments)
    assert done.returncode == 2
    assert done.err.strip().splitlines()[-1].startswith("error: ") and message in done.err
    assert "Traceback" not in done.err


def test_wrong_words_get_one_sentence(made, command):
    done = command("bottleneck", "--network", "vgg17", "--dataset", made[0] / "pets")
    assert done.returncode == 2 and "vgg17" in done.err and "Traceback" not in done.err
    done = command("bottleneck", "--dataset", "nothing_here")
    assert done.returncode == 2 and "nothing_here" in done.err


def changed(pack, **about):
    return replace(pack, about=pack.about | about)


@pytest.mark.parametrize(
    "key", ["network", "image_size", "preprocessing", "weights", "dataset", "versions"]
)
def test_packs_that_do_not_match_are_refused(made, key):
    train, validation = packs(made[0])
    with pytest.raises(PackError, match=f"do not belong together: {key} is ") as caught:
        bottleneck.match(train, changed(validation, **{key: "another"}))
    assert "\n" not in str(caught.value)
    with pytest.raises(PackError):
        train_head(train, changed(validation, **{key: "another"}))


def test_other_classes_or_the_same_pictures_are_refused(made):
    train, validation = packs(made[0])
    with pytest.raises(PackError, match=r"class names differ \(cow, dog\)"):
        bottleneck.match(train, replace(validation, class_names=("cat", "cow")))
    with pytest.raises(PackError, match="in their order"):
        bottleneck.match(train, replace(validation, class_names=("dog", "cat")))
    with pytest.raises(PackError, match="are the same picture"):
        bottleneck.match(train, changed(train, split="validation"))


def save(path, pack, **changes):
    parts = {name: getattr(pack, name) for name in
             ("features", "labels", "class_names", "file_names", "digests")}  # fmt: skip
    np.savez(path, **(parts | {"about": np.array(json.dumps(pack.about))} | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": np.array([0, 1, None], object)}, "it holds pickled objects"),
        ({"labels": np.zeros(3, "int32")}, "not equally many"),
        ({"labels": np.full(8, 2, "int32")}, "without a class name"),
        ({"features": np.full((8, 1, 1, 2), np.nan, "float32")}, "not all finite"),
        ({"features": np.zeros((8, 1, 1, 2))}, "not all finite float32"),
        ({"about": np.array("{")}, "cannot be used"),
        ({"about": np.array('{"format": 9}')}, "format 9 and not 1"),
    ],
)
def test_a_spoilt_pack_is_refused(made, tmp_path, changes, reason):
    path = save(tmp_path / "a.npz", packs(made[0])[0], **changes)
    with pytest.raises(PackError, match=reason) as caught:
        bottleneck.read(path)
    assert "\n" not in str(caught.value)


def test_a_pack_without_a_part_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.zeros(3))
    with pytest.raises(PackError, match="it has no about, class_names, digests"):
        bottleneck.read(tmp_path / "a.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_pack_is_refused(made, tmp_path, share):
    content = (made[0] / NAMES[0]).read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PackError, match="make it again with the bottleneck command"):
        bottleneck.read(tmp_path / "a.npz")


def test_a_flipped_byte_is_noticed(made, tmp_path):
    content = bytearray((made[0] / NAMES[0]).read_bytes())
    for place in range(2000, len(content) - 2000, 5000):
        spoilt = content.copy()
        spoilt[place] ^= 0xFF
        (tmp_path / "a.npz").write_bytes(spoilt)
        with pytest.raises(PackError):
            bottleneck.read(tmp_path / "a.npz")
