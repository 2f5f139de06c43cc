import numpy as np
import pytest

from utils import backbones, checks, models
from utils.base.framework import keras, layers

pytestmark = pytest.mark.check


def trainable_names(model):
    return [weight.path for weight in model.trainable_weights]


def test_the_books_head_has_the_books_size():
    """VGG16 at 150 px has 16,812,353 parameters with the book's sigmoid; a softmax has 257 more."""
    base = backbones.build("vgg16", 150, weights=None)
    head = models.head(base.output_shape[1:], 2, 256, 0.5, "flatten")
    model = models.attach(base, head)
    assert base.output_shape[1:] == (4, 4, 512)
    assert base.count_params() == 14_714_688
    assert model.count_params() == 16_812_353 + 257
    assert len(model.trainable_weights) == 30
    base.trainable = False
    assert len(model.trainable_weights) == 4


@pytest.mark.parametrize(
    ("classes", "units", "pooling", "shape", "params"),
    [
        (2, 8, "flatten", (None, 2), 36 * 8 + 8 + 8 * 2 + 2),
        (2, 0, "average", (None, 2), 4 * 2 + 2),
        (3, 8, "average", (None, 3), 4 * 8 + 8 + 8 * 3 + 3),
    ],
)
def test_heads(classes, units, pooling, shape, params):
    head = models.head((3, 3, 4), classes, units, pooling=pooling)
    assert head.output_shape == shape
    assert head.count_params() == params
    said = head(np.random.default_rng(0).normal(size=(5, 3, 3, 4))).numpy()
    assert ((said >= 0) & (said <= 1)).all()
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)


@pytest.fixture
def half_digits():
    """The policy that a learner may set after the course is imported."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def test_a_head_answers_in_float32_under_any_policy(half_digits):
    head = models.head((2, 2, 3), 3, 8)
    assert head.layers[-2].compute_dtype == "float16"  # the policy holds
    assert head(np.ones((1, 2, 2, 3))).numpy().dtype == np.float32


def test_dropout_is_where_it_was_asked_for():
    head = models.head((2, 2, 3), 2, 8, 0.3)
    rates = [layer.rate for layer in head.layers if isinstance(layer, layers.Dropout)]
    assert rates == [0.3]


@pytest.mark.parametrize("wrong", [{"num_classes": 1}, {"num_classes": 2, "pooling": "max"}])
def test_a_wrong_head_is_named(wrong):
    with pytest.raises(ValueError, match=r"two classes|average and flatten"):
        models.head((2, 2, 3), **wrong)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_fits_the_head(classes, noise):
    head = models.head((32, 32, 3), classes, 4, pooling="average")
    head.compile("adam", models.LOSS, metrics=["accuracy"])
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
    toy.trainable = False
    model.compile(keras.optimizers.SGD(1.0), models.LOSS)
    before = head.get_weights()[0]
    with checks.unchanged(toy):
        model.fit(*noise, verbose=0)
    assert not np.array_equal(before, head.get_weights()[0])


def test_unfreezing_lets_a_block_and_all_above_it_learn(toy, noise):
    models.unfreeze_from(toy, "block2")
    assert {name.split("_")[0] for name in trainable_names(toy)} == {"block2"}
    assert trainable_names(toy)[0] == "block2_conv/kernel"  # the first layer of it, too
    model = models.attach(toy, models.head(toy.output_shape[1:], 2, 0))
    model.compile(keras.optimizers.SGD(1.0), models.LOSS)
    below = keras.Model(toy.input, toy.get_layer("block1_relu").output)
    with checks.unchanged(below):
        model.fit(*noise, verbose=0)
    with pytest.raises(checks.CheckError), checks.unchanged(toy):
        model.fit(*noise, verbose=0)


def test_a_block_is_its_whole_name():
    """block1 must not mean block10 to block16."""
    base = backbones.build("efficientnet_lite0", 32, weights=None)
    models.unfreeze_from(base, "block10")
    first = trainable_names(base)[0]
    assert first.startswith("block10_")
    models.unfreeze_from(base, "stem")
    assert trainable_names(base)[0].startswith("stem")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16", "resnet50", "inception_v3"])
def test_every_block_can_be_unfrozen(name):
    base = backbones.build(name, 96, weights=None)
    counts = []
    for block in backbones.entry(name).blocks:
        models.unfreeze_from(base, block)
        counts.append(len(base.trainable_weights))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] or name == "inception_v3"


def test_an_unknown_block_lists_the_blocks_and_changes_nothing():
    base = backbones.build("vgg16", 32, weights=None)
    base.trainable = False
    with pytest.raises(ValueError, match="vgg16 has no block 'block6'; there are block1, block2"):
        models.unfreeze_from(base, "block6")
    assert base.trainable_weights == []


def test_an_unknown_block_of_another_model_lists_its_layers(toy):
    with pytest.raises(ValueError, match="block1_conv"):
        models.unfreeze_from(toy, "block")


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


# -- frozen batch norm inside an unfrozen base (keras issue 20285)


def nested_twice(base, block):
    """A base, open from a block on, in a model that is in another model; and its averages."""
    models.unfreeze_from(base, block)
    inner = models.attach(base, models.head(base.output_shape[1:], 2))
    norms = [x for x in base.layers if isinstance(x, layers.BatchNormalization)]
    averages = [w for x in norms for w in (x.moving_mean, x.moving_variance)]
    return keras.Sequential([keras.Input((32, 32, 3)), inner]), norms, averages


@pytest.mark.parametrize(("name", "block"), [("toy", "block1"), ("efficientnet_lite0", "block15")])
def test_frozen_batch_norm_keeps_its_averages_while_all_else_learns(name, block, toy, noise):
    base = toy if name == "toy" else backbones.build(name, 32)
    model, norms, averages = nested_twice(base, block)
    assert len(averages) == 2 * len(norms) > 0
    assert not any(layer.trainable_weights for layer in norms)
    with checks.unchanged(averages), checks.changed(model):
        fit(model, noise)


def test_batch_norm_that_is_not_frozen_moves_its_averages(toy, noise):
    """So that the test above can fail."""
    model, norms, averages = nested_twice(toy, "block1")
    for layer in norms:
        layer.trainable = True
    with checks.changed(averages):
        fit(model, noise)


def fit(model, noise):
    model.compile(keras.optimizers.Adam(1e-3), models.LOSS)
    model.fit(*noise, verbose=0)


# -- batch_norm


def moved(statistics, learn, toy, noise):
    """Which kinds of numbers of the toy move in one epoch."""
    base = models.batch_norm(toy, statistics, learn)
    pixels = keras.Input((32, 32, 3))
    model = keras.Model(pixels, models.head(toy.output_shape[1:], 2, units=0)(base(pixels)))
    model.compile("sgd", models.LOSS)
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


@pytest.mark.parametrize("name", ["vgg16", "efficientnet_lite0", "resnet50"])
def test_every_block_of_a_backbone_can_be_a_place_to_cut(name):
    base = backbones.build(name, 64, weights=None)
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    for block in backbones.entry(name).blocks[1::4]:
        trunk, top = models.split_at(base, block)
        assert len(trunk.weights) + len(top.weights) == len(base.weights)
        joined = top(trunk(images))
        np.testing.assert_allclose(joined, base(images, training=False), atol=1e-3)


def test_where_a_path_passes_by_no_cut_is_made():
    inputs = keras.Input((4,))
    low = layers.Dense(4, name="block1_dense")(inputs)
    high = layers.Dense(4, name="block2_dense")(low)
    out = layers.Add(name="block3_add")([high, inputs])
    base = keras.Model(inputs, out, name="shortcut")
    with pytest.raises(ValueError, match="shortcut cannot be cut before block2: a path passes by"):
        models.split_at(base, "block2")
    with pytest.raises(ValueError, match="cannot be cut before block3: several paths meet there"):
        models.split_at(base, "block3")
    with pytest.raises(ValueError, match="no block 'block9'"):
        models.split_at(base, "block9")


def losses_of(model, head, values, labels):
    """Loss after each update of one epoch, from one start, in file order."""
    head.set_weights([np.sin(np.arange(w.size)).reshape(w.shape) / 9 for w in head.get_weights()])
    model.compile(keras.optimizers.RMSprop(1e-4), models.LOSS)
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
