import numpy as np
import pytest

from utils import backbones, checks, models
from utils.base.framework import keras, layers

pytestmark = pytest.mark.check


def test_the_books_head_has_the_books_size():
    """Source S2: with VGG16 at 150 px, 16,812,353 parameters in all; 30 arrays, then 4."""
    base = backbones.build("vgg16", 150, weights=None)
    head = models.head(base.output_shape[1:], 2)
    model = models.attach(base, head)
    assert base.output_shape[1:] == (4, 4, 512)
    assert base.count_params() == 14_714_688
    assert model.count_params() == 16_812_353
    assert len(model.trainable_weights) == 30
    models.freeze(base)
    assert len(model.trainable_weights) == 4


@pytest.mark.parametrize(
    ("classes", "units", "pooling", "shape", "params"),
    [
        (2, 8, "flatten", (None, 1), 36 * 8 + 8 + 8 + 1),
        (2, 0, "average", (None, 1), 4 + 1),
        (3, 8, "average", (None, 3), 4 * 8 + 8 + 8 * 3 + 3),
    ],
)
def test_heads(classes, units, pooling, shape, params):
    head = models.head((3, 3, 4), classes, units, pooling=pooling)
    assert head.output_shape == shape
    assert head.count_params() == params
    said = head(np.random.default_rng(0).normal(size=(5, 3, 3, 4))).numpy()
    assert ((said >= 0) & (said <= 1)).all()
    if classes > 2:
        np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)


def test_dropout_is_where_it_was_asked_for():
    head = models.head((2, 2, 3), 2, 8, 0.3)
    rates = [layer.rate for layer in head.layers if isinstance(layer, layers.Dropout)]
    assert rates == [0.3]


@pytest.mark.parametrize("wrong", [{"num_classes": 1}, {"num_classes": 2, "pooling": "max"}])
def test_a_wrong_head_is_named(wrong):
    with pytest.raises(ValueError, match=r"two classes|flatten and average"):
        models.head((2, 2, 3), **wrong)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_fits_the_head(classes, noise):
    head = models.head((32, 32, 3), classes, 4, pooling="average")
    head.compile("adam", models.loss_for(classes), metrics=["accuracy"])
    history = head.fit(noise[0], noise[1], epochs=1, verbose=0).history
    assert 0 <= history["accuracy"][0] <= 1
    assert np.isfinite(history["loss"][0])


def test_attached_it_says_what_the_head_says_of_the_features(toy, noise):
    head = models.head(toy.output_shape[1:], 2, 8)
    model = models.attach(toy, head)
    np.testing.assert_allclose(model(noise[0]), head(toy(noise[0])), atol=1e-6)


def test_augmentation_acts_in_training_only(toy, noise):
    flip = keras.Sequential([layers.RandomRotation(0.4, seed=1)])
    model = models.attach(toy, models.head(toy.output_shape[1:], 2, 0), flip)
    plain = models.attach(toy, model.layers[-1])
    np.testing.assert_allclose(model(noise[0], training=False), plain(noise[0]), atol=1e-6)
    np.testing.assert_allclose(model.predict(noise[0], verbose=0), plain(noise[0]), atol=1e-6)
    assert not np.allclose(model(noise[0], training=True), plain(noise[0]), atol=1e-4)


def test_frozen_it_does_not_move_and_the_head_does(toy, noise):
    head = models.head(toy.output_shape[1:], 2, 0)
    model = models.attach(toy, head)
    models.freeze(toy)
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    before = head.get_weights()[0]
    with checks.unchanged(toy):
        model.fit(*noise, verbose=0)
    assert not np.array_equal(before, head.get_weights()[0])


def test_unfreezing_lets_a_block_and_all_above_it_learn(toy, noise):
    models.freeze(toy)
    models.unfreeze_from(toy, "block2")
    assert {name.split("_")[0] for name in checks.trainable_names(toy)} == {"block2"}
    assert checks.trainable_names(toy)[0] == "block2_conv/kernel"  # the first layer of it, too
    model = models.attach(toy, models.head(toy.output_shape[1:], 2, 0))
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    below = keras.Model(toy.input, toy.get_layer("block1_relu").output)
    with checks.unchanged(below):
        model.fit(*noise, verbose=0)
    with pytest.raises(checks.CheckError), checks.unchanged(toy):
        model.fit(*noise, verbose=0)


def test_a_block_is_its_whole_name():
    """block1 must not mean block10 to block16."""
    base = backbones.build("efficientnet_lite0", 32, weights=None)
    models.unfreeze_from(base, "block10")
    first = checks.trainable_names(base)[0]
    assert first.startswith("block10_")
    models.unfreeze_from(base, "stem")
    assert checks.trainable_names(base)[0].startswith("stem")


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_every_block_of_every_backbone_can_be_unfrozen(name):
    base = backbones.build(name, 96, weights=None)
    counts = []
    for block in backbones.entry(name).blocks:
        models.unfreeze_from(base, block)
        counts.append(len(base.trainable_weights))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] or name == "inception_v3"


def test_an_unknown_block_lists_the_blocks_and_changes_nothing():
    base = backbones.build("vgg16", 32, weights=None)
    models.freeze(base)
    with pytest.raises(ValueError, match="vgg16 has no block 'block6'; there are block1, block2"):
        models.unfreeze_from(base, "block6")
    assert base.trainable_weights == []


def test_an_unknown_block_of_another_model_lists_its_layers(toy):
    with pytest.raises(ValueError, match="block1_conv"):
        models.unfreeze_from(toy, "block")


# -- replace_head and up_to


@pytest.fixture
def full():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(9, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name="full")


def small_noise():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (8, 8, 8, 3)).astype("float32"), np.arange(8) % 3


def test_replacing_the_head_changes_the_last_layer_only(full):
    new = models.replace_head(full, 3)
    assert new.output_shape == (None, 3) and len(new.layers) == len(full.layers)
    assert checks.trainable_names(new) == ["new_predictions/kernel", "new_predictions/bias"]
    x, y = small_noise()
    with checks.unchanged(models.up_to(full, "pool")):
        new.fit(x, y, epochs=3, verbose=0)


def test_replacing_twice_does_not_stack(full):
    once = models.replace_head(full, 3)
    twice = models.replace_head(models.replace_head(once, 5), 3)
    assert [type(a) for a in once.layers] == [type(b) for b in twice.layers]
    assert twice.count_params() == once.count_params()
    assert twice.output_shape == (None, 3)


def test_a_replaced_head_runs_in_inference_mode_even_when_unfrozen(full):
    new = models.replace_head(full, 3)
    for layer in new.layers:
        layer.trainable = True
    new.compile("sgd", "sparse_categorical_crossentropy")
    kept = full.get_layer("bn").moving_mean.numpy().copy()
    new.fit(*small_noise(), verbose=0)
    assert np.array_equal(full.get_layer("bn").moving_mean.numpy(), kept)


def test_a_replaced_head_is_saved_and_loaded(full, tmp_path):
    new = models.replace_head(full, 3)
    new.save(tmp_path / "a.keras")
    checks.same_predictions(new, keras.models.load_model(tmp_path / "a.keras"), small_noise()[0])


def test_only_the_new_layer_learns_also_above_a_dense_one():
    inputs = keras.Input((8,))
    code = keras.layers.Dense(4, name="fc2")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(9, name="predictions")(code))
    assert checks.trainable_names(models.replace_head(network, 3)) == [
        "new_predictions/kernel",
        "new_predictions/bias",
    ]


def test_two_classes_are_enough_and_adam_learns_at_its_own_rate(full):
    new = models.replace_head(full, 2)
    assert new.output_shape == (None, 2)
    assert float(new.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("num_classes", [0, 1])
def test_a_head_for_fewer_than_two_classes_is_refused(full, num_classes):
    with pytest.raises(ValueError, match="at least two classes"):
        models.replace_head(full, num_classes)


def test_a_network_without_a_dense_end_is_named(toy):
    with pytest.raises(ValueError, match="toy ends with block2_relu, which is not a dense layer"):
        models.replace_head(toy, 3)


def test_cut_after_a_layer_it_gives_that_layers_output(full):
    x = small_noise()[0]
    code = models.up_to(full, "pool")(x)
    kernel, bias = full.get_layer("predictions").get_weights()
    expected = full(x, training=False)
    np.testing.assert_allclose(keras.ops.softmax(code @ kernel + bias), expected, atol=1e-5)
    with pytest.raises(
        ValueError, match=r"full has no layer 'fc1'; its last ones are .*pool, pred"
    ):
        models.up_to(full, "fc1")


# -- batch_norm and memory_estimate


def moved(statistics, learn, toy, noise):
    """Which kinds of numbers of the toy move in one epoch."""
    base = models.batch_norm(toy, statistics, learn)
    pixels = keras.Input((32, 32, 3))
    model = keras.Model(pixels, models.head(toy.output_shape[1:], 2, units=0)(base(pixels)))
    model.compile("sgd", "binary_crossentropy")
    before = {w.path: w.numpy() for w in toy.weights}
    model.fit(*noise, verbose=0)
    changed = {w.path for w in toy.weights if not np.array_equal(before[w.path], w.numpy())}
    return {path.rsplit("/", 1)[1] for path in changed}


@pytest.mark.parametrize(
    ("statistics", "learn", "expected"),
    [
        ("kept", False, set()),
        ("batch", False, set()),
        ("updated", False, {"moving_mean", "moving_variance"}),
        ("updated", True, {"moving_mean", "moving_variance", "gamma", "beta"}),
        ("batch", True, {"gamma", "beta"}),
    ],
)
def test_three_ways_of_batch_normalisation(statistics, learn, expected, toy, noise):
    assert moved(statistics, learn, toy, noise) == expected


def test_with_batch_statistics_training_and_inference_differ_and_with_kept_ones_not(toy, noise):
    x = noise[0]
    kept = models.batch_norm(toy, "kept")
    np.testing.assert_allclose(kept(x, training=True), toy(x), atol=1e-6)
    batch = models.batch_norm(toy, "batch")
    assert np.abs(np.array(batch(x, training=True)) - np.array(toy(x))).max() > 0.1
    np.testing.assert_allclose(batch(x, training=False), toy(x), atol=1e-6)


@pytest.mark.parametrize(("statistics", "learn"), [("frozen", False), ("kept", True)])
def test_another_batch_normalisation_is_refused(toy, statistics, learn):
    with pytest.raises(ValueError, match="statistics are kept, batch or updated"):
        models.batch_norm(toy, statistics, learn)


def test_the_memory_of_a_small_network_by_hand(toy):
    model = models.attach(toy, models.head(toy.output_shape[1:], 2, units=0))
    models.freeze(toy)
    frozen = models.memory_estimate(model, 10)
    # 8 × 8 and 2 × 2 places of 4 channels, three layers each; scaled pixels; flat; probability.
    activations = 32 * 32 * 3 + 3 * (8 * 8 * 4 + 2 * 2 * 4) + 16 + 1
    assert frozen["activations"] == pytest.approx(4 * 10 * activations / 1e6)
    assert frozen["gradients"] == pytest.approx(4 * 17 / 1e6)
    toy.trainable = True
    opened = models.memory_estimate(model, 10)
    assert opened["gradients"] > frozen["gradients"]
    assert opened["optimizer"] == pytest.approx(2 * opened["gradients"])
    assert opened["total"] == pytest.approx(sum(v for k, v in opened.items() if k != "total"))


def test_vggs_code_is_its_first_dense_layer_after_the_relu():
    full = backbones.build("vgg16", 224, weights=None, include_top=True)
    code = models.up_to(full, "fc1")
    assert code.output_shape == (None, 4096)
    said = np.array(code(np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3))))
    assert said.min() == 0 < said.max()


# -- cut in two


def test_trunk_and_top_are_the_base_and_share_its_layers(toy, noise):
    trunk, top = models.split_at(toy, "block2")
    np.testing.assert_allclose(top(trunk(noise[0])), toy(noise[0]), atol=1e-6)
    assert top.get_layer("block2_conv") is toy.get_layer("block2_conv")
    names = {layer.name for layer in trunk.layers} & {layer.name for layer in top.layers}
    assert not any(name.startswith("block") for name in names)


@pytest.mark.parametrize("name", ["vgg16", "efficientnet_lite0", "resnet50", "mobilenet_v2"])
def test_every_block_of_a_backbone_can_be_a_place_to_cut(name):
    base = backbones.build(name, 64, weights=None)
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    for block in backbones.entry(name).blocks[1::4]:
        trunk, top = models.split_at(base, block)
        assert len(trunk.weights) + len(top.weights) == len(base.weights)
    checks.same_predictions(base, keras.Model(base.input, top(trunk(base.input))), images, 1e-3)


def test_where_a_path_passes_by_no_cut_is_made():
    inputs = keras.Input((4,))
    low = layers.Dense(4, name="block1_dense")(inputs)
    high = layers.Dense(4, name="block2_dense")(low)
    out = layers.Add(name="block3_add")([high, inputs])
    base = backbones.ConvBase(inputs, out, name="shortcut")
    with pytest.raises(ValueError, match="shortcut cannot be cut before block2: a path passes by"):
        models.split_at(base, "block2")
    with pytest.raises(ValueError, match="cannot be cut before block3: several paths meet there"):
        models.split_at(base, "block3")
    with pytest.raises(ValueError, match="no block 'block9'"):
        models.split_at(base, "block9")


def losses_of(model, head, values, labels):
    """Loss after each update of one epoch, from one start, in file order."""
    head.set_weights([np.sin(np.arange(w.size)).reshape(w.shape) / 9 for w in head.get_weights()])
    model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(logs))
    model.fit(values, labels, batch_size=4, shuffle=False, verbose=0, callbacks=[watch])
    return [logs["loss"] for logs in seen]


@pytest.mark.parametrize(
    ("name", "block", "size"), [("toy", "block2", 32), ("efficientnet_lite0", "block14", 64)]
)
def test_training_the_top_is_training_end_to_end(name, block, size, toy):
    """Same pictures, order and start: the losses of an epoch are equal, and what is learned."""
    base = toy if name == "toy" else backbones.build(name, size)
    images = np.random.default_rng(0).uniform(0, 255, (14, size, size, 3)).astype("float32")
    labels = np.arange(14) % 2
    models.unfreeze_from(base, block)
    trunk, top = models.split_at(base, block)
    head = models.head(base.output_shape[1:], 2, units=8, dropout=0.0)
    before = base.get_weights()
    end_to_end = losses_of(models.attach(base, head), head, images, labels)
    learned = base.get_weights()
    base.set_weights(before)
    below = trunk.predict(images, verbose=0)
    with checks.unchanged(trunk):
        split = losses_of(models.attach(top, head), head, below, labels)
    np.testing.assert_allclose(split, end_to_end, atol=1e-4)
    assert len(split) == 4 and len(set(split)) == 4
    for a, b in zip(base.get_weights(), learned, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert any(not np.array_equal(b, c) for b, c in zip(learned, before, strict=True))
