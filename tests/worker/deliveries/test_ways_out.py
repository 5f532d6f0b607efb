"""Every kind of delivery has its module, which is found by its name."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from core.vocabulary import DeliveryKind


@pytest.mark.parametrize("kind", DeliveryKind)
def test_a_kind_has_a_module_that_delivers(kind: DeliveryKind) -> None:
    deliver = import_module(f"worker.deliveries.{kind}").deliver
    assert list(inspect.signature(deliver).parameters) == ["sending"]
