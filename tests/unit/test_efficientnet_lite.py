import os
import pickle
import struct

import numpy as np
import pytest

from utils.sources import efficientnet_lite
from utils.sources.efficientnet_lite import (
    EfficientNetLite0,
    load_weights,
    read_tensors,
    weights_path,
)

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def content():
    return weights_path().read_bytes()


def test_shapes_and_counts(lite):
    top = EfficientNetLite0(weights=None)
    assert top.output_shape == (None, 1000)
    trainable = sum(int(np.prod(w.shape)) for w in top.trainable_weights)
    assert trainable == 4_652_008  # the published 4.65 million
    assert EfficientNetLite0(include_top=False, weights=None).output_shape[1:] == (7, 7, 1280)
    assert lite.output_shape[1:] == (1, 1, 1280)


def test_every_tensor_of_the_file_is_used_and_nothing_else(content):
    tensors = read_tensors(content)
    model = EfficientNetLite0()
    used = [name for layer in model.layers for name in efficientnet_lite._torch_names(layer)]
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    assert len(used) == len(set(used))
    assert set(used) == set(tensors) - counters
    kernel = model.get_layer("block3_depthwise_conv").get_weights()[0]
    expected = tensors["_blocks.2._depthwise_conv.weight"]
    assert kernel[1, 2, 5, 0] == expected[5, 0, 1, 2]


def test_with_its_weights_it_is_sure_of_something():
    """A drawn pet is no photograph, but it must not look like noise to the network."""
    from utils.sources.drawn_pets import draw

    image = np.asarray(draw(5, 0, "cat").resize((224, 224)), "float32")[None]
    probabilities = EfficientNetLite0()((image - 127) / 128, training=False).numpy()
    random = EfficientNetLite0(weights=None)((image - 127) / 128, training=False).numpy()
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert probabilities.max() > 10 * random.max()


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


def test_a_pickle_that_would_run_code_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"system, which no array needs"):
        read_tensors(pickle.dumps(Evil(), protocol=2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(content, share):
    with pytest.raises(ValueError, match="the file is not a usable weights file"):
        read_tensors(content[: int(len(content) * share)])


def test_a_tensor_that_reaches_outside_its_data_is_refused():
    storage = efficientnet_lite._Storage(np.dtype("<f4"), 4)
    storage.values = np.zeros(4, "float32")
    for offset, shape, strides in [(0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 2), (3, 1)), (-1, (1,), (1,)), (3, (2,), (-1,))]:  # fmt: skip  # noqa: E501
        with pytest.raises(ValueError, match="outside"):
            efficientnet_lite._view(storage, offset, shape, strides)
    assert efficientnet_lite._view(storage, 0, (2, 2), (1, 2)).shape == (2, 2)


def test_damaged_package_weights_are_refused_and_nothing_changes(content, tmp_path):
    damaged = bytearray(content)
    struct.pack_into("<B", damaged, len(damaged) // 2, damaged[len(damaged) // 2] ^ 1)
    path = tmp_path / "weights.pth"
    path.write_bytes(damaged)
    model = EfficientNetLite0(include_top=False, weights=None, input_shape=(32, 32, 3))
    before = [w.copy() for w in model.get_weights()]
    with pytest.raises(ValueError, match="damaged"):
        load_weights(model, path)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_weights_of_another_architecture_are_refused_and_nothing_changes(toy):
    before = [w.copy() for w in toy.get_weights()]
    with pytest.raises((ValueError, KeyError)):
        load_weights(toy, weights_path())
    assert all(map(np.array_equal, before, toy.get_weights()))


def test_other_weights_are_not_taken_for_imagenets():
    with pytest.raises(ValueError, match=r"'imagenet' or None, not 'a\.pth'"):
        EfficientNetLite0(weights="a.pth")


def test_other_class_counts_do_not_take_imagenets_top():
    with pytest.raises(ValueError, match="another architecture"):
        EfficientNetLite0(classes=10)
