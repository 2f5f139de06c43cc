import os
import pickle
import struct

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("layer", "name", "turned"),
    [
        ("stem_conv", "_conv_stem.weight", (2, 3, 1, 0)),
        ("block3_depthwise_conv", "_blocks.2._depthwise_conv.weight", (2, 3, 0, 1)),
        ("block16_project_bn", "_blocks.15._bn2.weight", (0,)),
        ("top_conv", "_conv_head.weight", (2, 3, 1, 0)),
        ("predictions", "_fc.weight", (1, 0)),
    ],
)
def test_every_tensor_of_the_file_is_used_in_its_place(content, layer, name, turned):
    tensors = read_tensors(content)
    model = EfficientNetLite0()
    used = {name for name in tensors if not name.endswith("num_batches_tracked")}
    assert len(model.weights) == len(used)
    assert np.array_equal(model.get_layer(layer).get_weights()[0], tensors[name].transpose(turned))
    moments = model.get_layer("block9_expand_bn").get_weights()[2:]
    for mine, kind in zip(moments, ("running_mean", "running_var"), strict=True):
        assert np.array_equal(mine, tensors[f"_blocks.8._bn0.{kind}"])


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
    with pytest.raises(pickle.UnpicklingError, match=r"system, which no tensor needs"):
        read_tensors(pickle.dumps(Evil(), protocol=2))
    assert list(tmp_path.iterdir()) == []


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
    with pytest.raises(ValueError, match="does not fit toy: it is of another architecture"):
        load_weights(toy, weights_path())
    assert all(map(np.array_equal, before, toy.get_weights()))
