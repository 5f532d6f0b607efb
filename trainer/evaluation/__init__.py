"""Evaluation: one code path for all tasks. Predictions once; figures, tables, pictures and the page from them."""

from __future__ import annotations

from trainer.evaluation.predictions import Predictions, predict, predict_records
from trainer.evaluation.questions import head_columns, required_columns
from trainer.evaluation.report import evaluate, judged

__all__ = ["Predictions", "evaluate", "head_columns", "judged", "predict", "predict_records", "required_columns"]
