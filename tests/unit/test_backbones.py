import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import backbones, datasets, models
from utils.base import pictures
from utils.base.framework import keras
from utils.sources import drawn_pets, efficientnet_lite
from utils.sources.weights import WeightsError

pytestmark = pytest.mark.check

PREPROCESS = {
    "vgg16": keras.applications.vgg16,
    "resnet50": keras.applications.resnet50,
    "inception_v3": keras.applications.inception_v3,
    "xception": keras.applications.xception,
    "efficientnet_b5": keras.applications.efficientnet,
}


def test_the_registry_is_what_the_course_promises():
    assert set(backbones.BACKBONES) == {"efficientnet_lite0", *PREPROCESS}


@pytest.mark.parametrize("name", PREPROCESS)
def test_preprocessing_is_that_of_the_source(name, noise):
    pixels = keras.Input((32, 32, 3))
    ours = keras.Model(pixels, backbones.entry(name).preprocessing(pixels))
    expected = PREPROCESS[name].preprocess_input(noise[0].copy())
    np.testing.assert_allclose(ours(noise[0]), expected, atol=1e-4)


def test_lites_preprocessing_is_that_of_its_authors(noise):
    ours = backbones.entry("efficientnet_lite0").preprocessing(noise[0])
    np.testing.assert_allclose(ours, (noise[0] - 127) / 128, atol=1e-5)


# A process that has never heard of the course: files in, predictions out.
STRANGER = """
import sys
sys.modules["utils"] = None
import keras, numpy
for name in sys.argv[1:]:
    model = keras.models.load_model(name)
    numpy.save(f"{name}.npy", model(numpy.load("pixels.npy"), training=False))
try:
    import utils
except ImportError:
    print("no utils")
"""


def in_a_process_without_utils(folder, *names):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", STRANGER, *names]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


PHOTOGRAPH = """
import sys
sys.modules["utils"] = None
import keras, numpy
model = keras.models.load_model("mine.keras")
photograph = keras.utils.load_img("photo.jpg", target_size=(32, 32), interpolation="bilinear")
print(*model.predict(numpy.array([photograph]), verbose=0)[0])
"""


def test_a_learners_model_of_three_classes_answers_for_a_photograph_elsewhere(lite, tmp_path):
    """Plain Keras, trained on a folder of her own, as in lesson 04."""
    data = datasets.load(write_classes(tmp_path / "own", 10, ("bird", "cat", "dog")))
    keras.utils.set_random_seed(1)
    lite.trainable = False
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.RandomFlip(), lite])
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(data.num_classes, activation="softmax"))
    model.compile("adam", models.LOSS)
    model.fit(data.train.batches(32, 7, shuffle_seed=1), epochs=2, verbose=0)
    model.save(tmp_path / "mine.keras")
    drawn_pets.draw(5, 3, "dog", 400).save(tmp_path / "photo.jpg", quality=95)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", PHOTOGRAPH]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = np.array(done.stdout.splitlines()[-1].split(), "float32")
    ours = model.predict(pictures.read(tmp_path / "photo.jpg", (32, 32))[None], verbose=0)[0]
    assert len(said) == 3 and abs(said.sum() - 1) < 1e-4
    # The course decodes a large JPEG at a smaller size first, so the pixels are not quite equal.
    np.testing.assert_allclose(said, ours, atol=0.05)


@pytest.mark.parametrize(
    ("name", "size", "block"),
    [
        ("vgg16", 64, "block5"),
        ("efficientnet_lite0", 32, "block14"),
        ("resnet50", 32, "conv5_block3"),
    ],
)
def test_a_saved_fine_tuned_model_loads_in_a_process_without_this_course(
    name, size, block, tmp_path
):
    """The base is nested in another model; once fine-tuned, once after a round of weights."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).uniform(0, 255, (4, size, size, 3)).astype("float32")
    installed = "imagenet" if name == "efficientnet_lite0" else None
    tuned, fresh = (fine_tunable(name, size, block, weights) for weights in (installed, None))
    tuned.fit(x, np.arange(4) % 2, verbose=0)
    fresh.set_weights(tuned.get_weights())
    np.testing.assert_allclose(tuned(x, training=False), fresh(x, training=False), atol=1e-4)
    np.save(tmp_path / "pixels.npy", x)
    tuned.save(tmp_path / "tuned.keras")
    fresh.save(tmp_path / "fresh.keras")
    done = in_a_process_without_utils(tmp_path, "tuned.keras", "fresh.keras")
    assert done.returncode == 0 and done.stdout == "no utils\n", done.stderr
    ours = np.array(tuned(x, training=False))
    for theirs in ("tuned.keras.npy", "fresh.keras.npy"):
        np.testing.assert_allclose(np.load(tmp_path / theirs), ours, rtol=1e-4, atol=1e-5)


def fine_tunable(name, size, block, weights):
    base = backbones.build(name, size, weights=weights)
    models.unfreeze_from(base, block)
    model = models.attach(base, models.head(base.output_shape[1:], 2))
    model.compile(keras.optimizers.Adam(1e-3), models.LOSS)
    return model


def test_a_model_with_a_class_of_ours_would_not_load_there(tmp_path):
    """So that the test above can fail."""
    model = keras.Sequential([keras.Input((32, 32, 3)), Ours()])
    model.save(tmp_path / "model.keras")
    done = in_a_process_without_utils(tmp_path, "model.keras")
    assert done.returncode != 0 and "Could not locate class 'Ours'" in done.stderr


class Ours(keras.layers.Layer):
    def call(self, x):
        return x


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16", "inception_v3", "xception"])
def test_every_block_is_found_among_the_layers(name):
    base = backbones.build(name, 96, weights=None)
    for block in backbones.entry(name).blocks:
        assert any(backbones.in_block(layer.name, block) for layer in base.layers), block


def test_with_its_preprocessing_inside_it_is_the_plain_network(noise):
    base = backbones.build("efficientnet_lite0", 32)
    plain = efficientnet_lite.EfficientNetLite0(include_top=False, input_shape=(32, 32, 3))
    expected = plain((noise[0] - 127) / 128, training=False)
    np.testing.assert_allclose(base(noise[0]), expected, atol=1e-4)


def test_unit_preprocessing_divides_by_255(noise):
    base = backbones.build("efficientnet_lite0", 32, preprocessing="unit")
    plain = efficientnet_lite.EfficientNetLite0(include_top=False, input_shape=(32, 32, 3))
    np.testing.assert_allclose(base(noise[0]), plain(noise[0] / 255, training=False), atol=1e-4)


def test_a_base_called_with_training_false_moves_its_averages_if_not_frozen(toy, noise):
    """What keras issue 20285 reports. When this fails, Keras was mended: say so in lesson 04."""
    plain = toy
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(plain(inputs, training=False)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = plain.get_layer("block1_bn").moving_mean.numpy()
    model.fit(*noise, verbose=0)
    assert not np.array_equal(before, plain.get_layer("block1_bn").moving_mean.numpy())


def test_weights_in_the_weights_folder_come_first(home, noise):
    made = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    (home / "weights").mkdir()
    made.save_weights(home / "weights" / "resnet50.weights.h5")
    assert backbones.available_offline("resnet50") == "weights folder"
    base = backbones.build("resnet50", 32)
    pixels = keras.applications.resnet50.preprocess_input(noise[0].copy())
    np.testing.assert_allclose(base(noise[0]), made(pixels, training=False), rtol=1e-3, atol=1e-3)


def write_other(path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(path)


def write_nonsense(path):
    path.write_bytes(b"no weights")


def write_cut_short(path):
    keras.applications.VGG16(include_top=False, weights=None).save_weights(path)
    path.write_bytes(path.read_bytes()[:100_000])


@pytest.mark.parametrize("write", [write_other, write_nonsense, write_cut_short])
def test_weights_that_do_not_fit_are_refused_in_one_sentence(home, write):
    path = home / "weights" / "vgg16.weights.h5"
    path.parent.mkdir()
    write(path)
    with pytest.raises(WeightsError, match="does not fit vgg16: it is damaged or of"):
        backbones.build("vgg16", 32)


def test_a_path_that_is_not_there_is_named(home):
    with pytest.raises(WeightsError, match=r"nowhere\.weights\.h5.*not there"):
        backbones.build("vgg16", 32, weights=home / "nowhere.weights.h5")


def test_without_a_network_one_sentence_with_the_way_out(home, capsys):
    with pytest.raises(WeightsError, match=r"put vgg16\.weights\.h5 into") as caught:
        backbones.build("vgg16", 32)
    assert "efficientnet_lite0" in str(caught.value) and "\n" not in str(caught.value)
    assert "Downloading about 59 MB" in capsys.readouterr().out
    assert backbones.available_offline("vgg16") == ""


def test_a_block_ends_before_the_next_begins(lite):
    assert backbones.block_output(lite, "block1").shape[-1] == 16
    assert backbones.block_output(lite, "block16").shape[-1] == 320
    assert backbones.block_output(lite, "top").shape[1:] == lite.output_shape[1:]
    with pytest.raises(ValueError, match="has no block 'block17'; there are stem, block1"):
        backbones.block_output(lite, "block17")


def test_unknown_names_list_what_there_is():
    with pytest.raises(ValueError, match="efficientnet_lite0, vgg16, resnet50"):
        backbones.build("vgg", 32)
    with pytest.raises(ValueError, match="own and unit"):
        backbones.build("vgg16", 32, preprocessing="wrong")


def test_lites_weights_are_always_here(home):
    assert backbones.available_offline("efficientnet_lite0") == "installed package"


def test_weights_with_the_top_are_a_file_of_their_own(home):
    keras.utils.set_random_seed(1)
    (home / "weights").mkdir()
    made = keras.applications.ResNet50(weights=None, input_shape=(224, 224, 3))
    made.save_weights(home / "weights" / "resnet50_with_top.weights.h5")
    assert backbones.available_offline("resnet50", include_top=True) == "weights folder"
    assert backbones.available_offline("resnet50") == ""
    full = backbones.build("resnet50", 224, include_top=True)
    assert np.array_equal(full.get_weights()[0], made.get_weights()[0])
    assert models.up_to(full, "avg_pool").output_shape == (None, 2048)


def test_a_download_that_fails_names_the_file_that_would_help(home):
    with pytest.raises(WeightsError, match=r"put vgg16_with_top\.weights\.h5 into"):
        backbones.build("vgg16", 224, include_top=True)
