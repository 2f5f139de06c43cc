import numpy as np
import pytest

from utils import backbones
from utils.base.framework import keras
from utils.sources import efficientnet_lite

pytestmark = pytest.mark.check

PREPROCESS = {
    "vgg16": keras.applications.vgg16,
    "vgg19": keras.applications.vgg19,
    "resnet50": keras.applications.resnet50,
    "inception_v3": keras.applications.inception_v3,
    "xception": keras.applications.xception,
    "mobilenet_v2": keras.applications.mobilenet_v2,
    "efficientnet_b0": keras.applications.efficientnet,
    "efficientnet_b5": keras.applications.efficientnet,
}


def test_the_registry_is_what_the_course_promises():
    assert set(backbones.BACKBONES) == {"efficientnet_lite0", *PREPROCESS}


@pytest.mark.parametrize("name", PREPROCESS)
def test_preprocessing_is_that_of_the_source(name, noise):
    x = ours = noise[0]
    for layer in backbones.entry(name).preprocessing():
        ours = layer(ours)
    np.testing.assert_allclose(ours, PREPROCESS[name].preprocess_input(x.copy()), atol=1e-4)


def test_lites_preprocessing_is_that_of_its_authors(noise):
    (layer,) = backbones.entry("efficientnet_lite0").preprocessing()
    np.testing.assert_allclose(layer(noise[0]), (noise[0] - 127) / 128, atol=1e-5)


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_built_saved_and_loaded_it_says_the_same(name, tmp_path):
    size = 96
    x = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")
    base = backbones.build(name, size, weights=None)
    said = base(x, training=False)
    assert said.shape[1:] == base.output_shape[1:]
    base.save(tmp_path / "base.keras")
    loaded = keras.models.load_model(tmp_path / "base.keras")
    np.testing.assert_allclose(loaded(x, training=False), said, rtol=1e-4, atol=1e-5)
    for block in backbones.entry(name).blocks:
        assert any(
            layer.name == block or layer.name.startswith(f"{block}_") for layer in base.layers
        )


def test_with_its_preprocessing_inside_it_is_the_plain_network(noise):
    base = backbones.build("efficientnet_lite0", 32)
    plain = efficientnet_lite.EfficientNetLite0(include_top=False, input_shape=(32, 32, 3))
    expected = plain((noise[0] - 127) / 128, training=False)
    np.testing.assert_allclose(base(noise[0]), expected, atol=1e-4)


def test_unit_preprocessing_divides_by_255(noise):
    base = backbones.build("efficientnet_lite0", 32, preprocessing="unit")
    plain = efficientnet_lite.EfficientNetLite0(include_top=False, input_shape=(32, 32, 3))
    np.testing.assert_allclose(base(noise[0]), plain(noise[0] / 255, training=False), atol=1e-4)


def test_the_base_stays_in_inference_mode_inside_a_training_model(toy, noise):
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(toy(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    averages = [w for w in toy.weights if "moving" in w.path]
    before = [w.numpy() for w in averages]
    kernels = toy.get_layer("block1_conv").get_weights()[0]
    model.fit(*noise, verbose=0)
    assert all(np.array_equal(a, w.numpy()) for a, w in zip(before, averages, strict=True))
    assert not np.array_equal(kernels, toy.get_layer("block1_conv").get_weights()[0])


def test_an_ordinary_model_called_with_training_false_does_not(toy, noise):
    """What keras issue 20285 reports. When this fails, Keras was mended: say so in lesson 04."""
    plain = keras.Model(toy.input, toy.output)
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(plain(inputs, training=False)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = plain.get_layer("block1_bn").moving_mean.numpy()
    model.fit(*noise, verbose=0)
    assert not np.array_equal(before, plain.get_layer("block1_bn").moving_mean.numpy())


def test_weights_in_the_weights_folder_come_first(home, noise):
    made = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    (home / "weights").mkdir()
    made.save_weights(home / "weights" / "mobilenet_v2.weights.h5")
    assert backbones.available_offline("mobilenet_v2") == "weights folder"
    base = backbones.build("mobilenet_v2", 32)
    expected = made(noise[0] / 127.5 - 1, training=False)
    np.testing.assert_allclose(base(noise[0]), expected, atol=1e-4)


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
    with pytest.raises(backbones.WeightsError, match="does not fit vgg16: it is damaged or of"):
        backbones.build("vgg16", 32)


def test_a_path_that_is_not_there_is_named(home):
    with pytest.raises(backbones.WeightsError, match=r"nowhere\.weights\.h5.*not there"):
        backbones.build("vgg16", 32, weights=home / "nowhere.weights.h5")


def test_without_a_network_one_sentence_with_the_way_out(home, capsys):
    with pytest.raises(
        backbones.WeightsError, match=r"put mobilenet_v2\.weights\.h5 into"
    ) as caught:
        backbones.build("mobilenet_v2", 96)
    assert "efficientnet_lite0" in str(caught.value) and "\n" not in str(caught.value)
    assert "Downloading about 9 MB" in capsys.readouterr().out
    assert backbones.available_offline("mobilenet_v2") == ""


def test_a_block_ends_before_the_next_begins(lite):
    assert backbones.block_output(lite, "block1").shape[-1] == 16
    assert backbones.block_output(lite, "block16").shape[-1] == 320
    assert backbones.block_output(lite, "top").shape[1:] == lite.output_shape[1:]
    with pytest.raises(ValueError, match="has no block 'block17'; there are stem, block1"):
        backbones.block_output(lite, "block17")


def test_unknown_names_list_what_there_is():
    with pytest.raises(ValueError, match="vgg16, vgg19"):
        backbones.build("vgg", 32)
    with pytest.raises(ValueError, match="own and unit"):
        backbones.build("vgg16", 32, preprocessing="wrong")


def test_lites_weights_are_always_here(home):
    assert backbones.available_offline("efficientnet_lite0") == "installed package"


def test_weights_with_the_top_are_a_file_of_their_own(home):
    from utils import models

    keras.utils.set_random_seed(1)
    (home / "weights").mkdir()
    small = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    small.save_weights(home / "weights" / "mobilenet_v2_with_top.weights.h5")
    assert backbones.available_offline("mobilenet_v2", include_top=True) == "weights folder"
    assert backbones.available_offline("mobilenet_v2") == ""
    full = backbones.build("mobilenet_v2", 96, include_top=True)
    assert np.array_equal(full.get_weights()[0], small.get_weights()[0])
    assert models.up_to(full, "out_relu").output_shape == (None, 3, 3, 1280)


def test_a_download_that_fails_names_the_file_that_would_help(home):
    with pytest.raises(backbones.WeightsError, match=r"put vgg16_with_top\.weights\.h5 into"):
        backbones.build("vgg16", 224, include_top=True)
