"""Event files are read back by TensorFlow's own reader, checksums and all."""

from __future__ import annotations

import pytest

from trainer.training.events import FOLDER, EventFile


def test_checksum():
    """The CRC-32C of RFC 3720 (B.4) for 32 zero bytes, 8A9136AA, with TFRecord's mask."""
    from trainer.training.events import _checksum

    crc = 0x8A9136AA
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert _checksum(bytes(32)) == masked.to_bytes(4, "little")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_read_back(tmp_path):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    events = EventFile(tmp_path)
    events.write(1, {"train/loss": 0.75, "val/fracture_auc": 0.5})
    events.write(300, {"train/loss": -2.5})
    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.name.startswith("events.out.tfevents.")
    found = [event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    assert found[0].file_version == "brain.Event:2"
    assert [(event.step, {v.tag: v.simple_value for v in event.summary.value}) for event in found[1:]] == [
        (1, {"train/loss": 0.75, "val/fracture_auc": 0.5}),
        (300, {"train/loss": -2.5}),
    ]
    assert 0 <= found[2].wall_time - found[0].wall_time < 60
    EventFile(tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
