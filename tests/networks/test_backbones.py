"""Backbones: their shapes, the pixel scaling each was pretrained with, and weights that come from files."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataInvalid
from tests.data import generated_radiograph, shared

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]

SIZE = 64
# Parameters without the classifier, as Keras' documentation and the papers give them; of ours, as counted by hand.
PARAMETERS = {
    "efficientnet_lite0": 3_413_024,
    "efficientnet_lite2": 4_869_168,
    "efficientnetb0": 4_049_564,
    "efficientnetb1": 6_575_232,
    "densenet121": 7_037_504,
    "densenet169": 12_642_880,
    "mobilenetv2": 2_257_984,
    "mobilenetv2_035": 410_208,
    "resnet50": 23_587_712,
    "vgg16": 14_714_688,
    "custom_cnn": 9 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 4 * (32 + 64 + 128 + 256),
}


def _classifier(backbone: str, size: int = SIZE):
    from networks.classifier import HeadSpec, RadiographClassifier

    return RadiographClassifier(backbone=backbone, size=size, heads=[HeadSpec("fracture", "sigmoid", ("fracture",))])


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameters_and_flatness(name):
    from networks.backbones import BACKBONES

    assert set(BACKBONES) == {*PARAMETERS, "tiny"}
    classifier = _classifier(name)
    channels = classifier.get_layer("pooled").output.shape[-1]
    assert classifier.count_params() - (channels + 1) == PARAMETERS[name]
    assert not any(hasattr(layer, "layers") for layer in classifier.layers)  # Grad-CAM and weights go by layer


def test_an_unknown_one():
    from networks.backbones import backbone

    with pytest.raises(DataInvalid, match="unknown backbone"):
        backbone("vgg99")


@pytest.mark.parametrize(
    ("name", "module", "mode"),
    [
        ("resnet50", "resnet50", "caffe"),
        ("vgg16", "vgg16", "caffe"),
        ("densenet121", "densenet", "torch"),
        ("densenet169", "densenet", "torch"),
        ("mobilenetv2", "mobilenet_v2", "tf"),
        ("mobilenetv2_035", "mobilenet_v2", "tf"),
    ],
)
def test_pixel_scaling_is_keras_applications_own(name, module, mode):
    import keras

    from networks.backbones import BACKBONES, scale_pixels

    grey = generated_radiograph(SIZE, SIZE)[None, ..., None]
    image = keras.Input((SIZE, SIZE, 1), dtype="uint8")
    found = keras.Model(image, scale_pixels(image, BACKBONES[name].scaling))(grey)
    preprocess = getattr(keras.applications, module).preprocess_input
    expected = preprocess(np.repeat(grey, 3, axis=-1).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    if mode == "caffe":
        assert expected.min() < -50  # not what [0, 1] or [-1, 1] would give


@pytest.mark.parametrize("name", ["efficientnetb0", "efficientnetb1"])
def test_efficientnet_sees_the_same_pixels_as_keras_own_network(name):
    """Keras' network with ImageNet weights starts with ÷255, (x − mean) / √variance, ÷√deviation, where its file holds
    the deviation as the variance (tensorflow issue 49930); ours must hand the stem the same."""
    import keras

    from networks.backbones import IMAGENET_DEVIATION, IMAGENET_MEAN

    classifier = _classifier(name)
    grey = generated_radiograph(SIZE, SIZE)[None, ..., None]
    found = keras.Model(classifier.inputs[0], classifier.get_layer("pixel_scaling").output)(grey)
    deviation = np.array(IMAGENET_DEVIATION)
    expected = (np.repeat(grey, 3, axis=-1) / 255 - IMAGENET_MEAN) / np.sqrt(deviation) * (1 / np.sqrt(deviation))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "suffix"), [("efficientnetb0", "weights.h5"), ("mobilenetv2_035", "keras"), ("custom_cnn", "weights.h5")]
)
def test_weights_from_files(name, suffix, tmp_path):
    """What Keras writes for the backbone on its own arrives in the classifier, layer by layer."""
    import keras

    from networks.backbones import BACKBONES
    from networks.pretrained import load_weights

    keras.utils.set_random_seed(5)
    base = BACKBONES[name]
    if base.pretrained is not None:
        source = base.pretrained(None)
    else:
        image = keras.Input((SIZE, SIZE, 3))
        source = keras.Model(image, base.build(image))
    random = np.random.default_rng(1)
    for layer in source.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    file = tmp_path / f"source.{suffix}"
    if suffix == "keras":
        source.save(file)
    else:
        source.save_weights(file)
    keras.utils.set_random_seed(6)
    classifier = _classifier(name)
    # The pixel statistics of a Normalization are the pixel scaling's.
    weighted = [x for x in source.layers if x.weights and not isinstance(x, keras.layers.Normalization)]
    assert load_weights(classifier, file) == len(weighted)
    for layer in weighted:
        for found, expected in zip(classifier.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_weights_at_hand():
    from networks.pretrained import load_weights

    for name, file in (
        ("efficientnet_lite0", "efficientnet_lite0_notop.keras"),
        ("efficientnet_lite2", "efficientnet_lite2_notop.keras"),
        ("mobilenetv2_035", "mobilenetv2_0.35_224_notop.weights.h5"),
    ):
        assert load_weights(_classifier(name), shared(f"weights/{file}")) > 80


def test_weights_of_another_network_are_refused(tmp_path):
    import keras

    from networks.pretrained import download_weights, load_weights

    for name in ("absent.keras", "absent.weights.h5", "absent.h5"):
        with pytest.raises(DataInvalid, match=r"no Keras model|cannot be read"):
            load_weights(_classifier("tiny"), tmp_path / name)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="elsewhere")])
    other.save(tmp_path / "other.keras")
    with pytest.raises(DataInvalid, match="no layer like elsewhere"):
        load_weights(_classifier("tiny"), tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(DataInvalid, match="holds no weights of"):
        load_weights(_classifier("tiny"), tmp_path / "other.weights.h5")
    with pytest.raises(DataInvalid, match="--weights FILE"):
        download_weights(_classifier("tiny"))


def test_no_download_is_one_clear_line(tmp_path, monkeypatch):
    """Where the address answers nothing, the reason and the ways out are named, and nothing random is trained."""
    import keras
    from keras.src.applications import vgg16

    from networks.pretrained import download_weights

    monkeypatch.setattr(vgg16, "WEIGHTS_PATH_NO_TOP", "http://127.0.0.1:9/weights.h5")
    monkeypatch.setattr(keras.config, "keras_home", lambda: str(tmp_path), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(DataInvalid, match="--weights random") as refused:
        download_weights(_classifier("vgg16"))
    assert "\n" not in str(refused.value)
