import io

import numpy as np
import pytest

from tests.unit.test_unpickler import Evil, old_npy
from utils.base.framework import keras
from utils.sources import alexnet

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return alexnet.AlexNet()


def test_sizes_are_those_of_2012(model):
    assert model.count_params() == 60_965_224
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert shapes["conv1"] == (55, 55, 96) and shapes["pool1"] == (27, 27, 96)
    assert shapes["conv2"] == (27, 27, 256) and shapes["pool2"] == (13, 13, 256)
    assert shapes["conv5"] == (13, 13, 256) and shapes["pool5"] == (6, 6, 256)
    assert shapes["fc6"] == shapes["fc7"] == (4096,) and shapes["fc8"] == (1000,)
    kernels = {layer.name: layer.kernel.shape for layer in model.layers if layer.weights}
    assert kernels["conv2"] == (5, 5, 48, 256)  # two groups: each filter sees half the channels
    assert kernels["conv4"] == (3, 3, 192, 384) and kernels["conv5"] == (3, 3, 192, 256)


def test_local_response_normalisation_is_the_formula():
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 7)).astype("float32")
    ours = np.array(alexnet.LocalResponseNormalization(2, 1.0, 0.5, 0.75)(x))
    for channel in range(7):
        near = x[..., max(0, channel - 2) : channel + 3]
        expected = x[..., channel] / (1 + 0.5 * (near**2).sum(-1)) ** 0.75
        np.testing.assert_allclose(ours[..., channel], expected, rtol=1e-5)
    layer = alexnet.LocalResponseNormalization(3, 2.0, 0.1, 0.5)
    copy = alexnet.LocalResponseNormalization.from_config(layer.get_config())
    assert (copy.depth_radius, copy.bias, copy.alpha, copy.beta) == (3, 2.0, 0.1, 0.5)


def arrays_of(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def test_weights_in_the_usual_layout_are_loaded(model, tmp_path):
    (tmp_path / "bvlc_alexnet.npy").write_bytes(old_npy(arrays_of(model)))
    fresh = alexnet.AlexNet()
    alexnet.load_weights(fresh, tmp_path / "bvlc_alexnet.npy")
    for old, new in zip(model.get_weights(), fresh.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_wrong_files_are_refused_and_nothing_changes(model, tmp_path):
    path = tmp_path / "bvlc_alexnet.npy"
    before = model.get_layer("conv1").get_weights()[0].copy()
    small = {"conv1": [np.zeros((11, 11, 3, 96)), np.zeros(96)]}
    cases = {
        "is not there: AlexNet's weights come with no Python package": None,
        "conv2 has the shapes \\[\\] but the model needs": old_npy(small),
        "system, which no array needs": old_npy({"conv1": Evil()}),
        "not a usable weights file": io.BytesIO(b"PK\x03\x04").getvalue(),
    }
    for message, content in cases.items():
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            alexnet.load_weights(model, path)
    assert np.array_equal(model.get_layer("conv1").get_weights()[0], before)


def test_another_number_of_classes_is_another_network(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(old_npy(arrays_of(alexnet.AlexNet(5))))
    with pytest.raises(ValueError, match="fc8 has the shapes"):
        alexnet.load_weights(alexnet.AlexNet(), path)
