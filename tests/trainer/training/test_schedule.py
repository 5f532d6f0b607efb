"""Which layers learn, how the rate falls, when a phase is over: by the scores alone, as Keras' own callbacks do."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import TrainingFailed
from trainer.recipes.phases import Phase

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]

PLAIN = {"name": "p", "trainable": "all", "epochs": 30, "batch_size": 8, "learning_rate": 0.1, "schedule": "constant"}
# Rises, stays, falls, rises a hair, stays: every branch of the two rules.
SCORES = [0.5, 0.6, 0.6, 0.58, 0.59, 0.60005, 0.61, 0.5, 0.5, 0.5, 0.5, 0.5, 0.7, 0.7, 0.7]


def _phase(**changes) -> Phase:
    return Phase.model_validate(PLAIN | changes)


@pytest.mark.parametrize(
    ("patience", "factor", "lowest"), [(1, 0.5, 0.0), (2, 0.1, 0.003), (3, 0.5, 0.0), (20, 0.5, 0)]
)
def test_the_rate_is_that_of_keras_own_callback(patience, factor, lowest):
    import keras

    from trainer.training.schedule import learning_rate

    phase = _phase(reduce_on_plateau={"patience": patience, "factor": factor, "lowest": lowest})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    callback = keras.callbacks.ReduceLROnPlateau("score", mode="max", patience=patience, factor=factor, min_lr=lowest)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, score in enumerate(SCORES):
        callback.on_epoch_end(epoch, {"score": score})
        expected = float(model.optimizer.learning_rate)
        assert learning_rate(phase, SCORES[: epoch + 1]) == pytest.approx(expected, rel=1e-6), epoch
    assert learning_rate(_phase(), SCORES) == 0.1


@pytest.mark.parametrize("patience", [1, 2, 3, 6, 20])
def test_the_end_is_that_of_keras_own_callback(patience):
    import keras

    from trainer.training.schedule import is_over

    phase = _phase(early_stopping={"patience": patience})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    callback = keras.callbacks.EarlyStopping("score", mode="max", patience=patience)
    callback.set_model(model)
    callback.on_train_begin()
    model.stop_training = False
    for epoch, score in enumerate(SCORES):
        callback.on_epoch_end(epoch, {"score": score})
        assert is_over(phase, SCORES[: epoch + 1]) is bool(model.stop_training), epoch
        if model.stop_training:
            break
    assert not is_over(phase, [])
    assert not is_over(_phase(), SCORES)


def test_which_layers_learn():
    from networks.classifier import HeadSpec, RadiographClassifier
    from trainer.training.schedule import backbone_layers, set_trainable

    heads = [HeadSpec("fracture", "sigmoid", ("fracture",), batch_normalisation=True, hidden=(4,))]
    classifier = RadiographClassifier(backbone="tiny", size=32, heads=heads)
    names = [layer.name for layer in backbone_layers(classifier)]
    assert names[0] == "tiny0_conv"
    assert len(names) == 9

    def learning(**changes) -> set[str]:
        set_trainable(classifier, _phase(**changes))
        return {layer.name for layer in classifier.layers if layer.trainable_weights}

    head = {"fracture_bn", "fracture_hidden0", "fracture_logits"}
    convolutions = {f"tiny{index}_conv" for index in range(3)}
    normalisations = {f"tiny{index}_bn" for index in range(3)}
    assert learning(trainable="heads") == head
    assert learning(trainable="all") == head | convolutions
    assert learning(trainable="all", batch_normalisation=True) == head | convolutions | normalisations
    assert learning(trainable={"start": "tiny1_bn"}) == head | {"tiny2_conv"}
    assert learning(trainable={"last": 1 / 3}) == head | {"tiny2_conv"}
    assert learning(trainable={"last": 1.0}) == head | convolutions
    with pytest.raises(TrainingFailed, match="no layer tiny9"):
        set_trainable(classifier, _phase(trainable={"start": "tiny9"}))


def test_optimizers():
    from trainer.training.schedule import make_optimizer

    adam = make_optimizer(_phase(optimizer="adam"), steps=5, scores=())
    assert (type(adam).__name__, float(adam.learning_rate)) == ("Adam", np.float32(0.1))
    cosine = make_optimizer(_phase(schedule="cosine", warmup=0.1, weight_decay=0.02), steps=10, scores=())
    assert type(cosine).__name__ == "AdamW"
    assert cosine.weight_decay == 0.02
    # 300 steps, 30 of them from a hundredth of the rate to the rate, then down to a hundredth again.
    rates = [float(cosine._learning_rate(step)) for step in (0, 30, 165, 300)]
    assert rates == pytest.approx([0.001, 0.1, 0.5 * 0.1 * 1.01, 0.001], rel=1e-3)
