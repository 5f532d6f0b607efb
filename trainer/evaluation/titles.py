"""What figures are called where people read them: on the page, on a terminal, in the model card."""

from __future__ import annotations

FIGURES = (
    ("auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("sensitivity", "sensitivity (recall)"),
    ("specificity", "specificity"),
    ("precision", "precision (PPV)"),
    ("npv", "NPV"),
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("f1", "F1"),
    ("f1_macro", "F1, macro"),
    ("f1_weighted", "F1, weighted"),
    ("kappa", "Cohen's κ"),
    ("mcc", "Matthews correlation"),
    ("ece", "ECE, 10 bins of equal width"),
    ("ece_equal_mass", "ECE, 10 bins of equal mass"),
    ("brier", "Brier score"),
    ("log_loss", "log loss"),
)
# Of labels that exclude each other.
CHOICE_FIGURES = (
    ("accuracy", "accuracy (top 1)"),
    ("top_3_accuracy", "top-3 accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("f1_macro", "F1, macro"),
    ("f1_weighted", "F1, weighted"),
    ("kappa", "Cohen's κ"),
    ("ece", "ECE of the top label"),
)
# The columns of a table with a row for each part of the data.
SHORT = (
    ("auc", "ROC AUC"),
    ("average_precision", "AP"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("f1", "F1"),
    ("kappa", "κ"),
)
OF_STUDIES = (*SHORT, ("accuracy", "accuracy"), ("ece", "ECE"))
MAIN = (*SHORT, ("ece", "ECE"), ("brier", "Brier"))
MULTI_LABEL = (
    ("auc_macro", "mean ROC AUC"),
    ("auc_micro", "pooled ROC AUC"),
    ("average_precision_macro", "mean AP"),
)
# Tables of a Finding: key in the report, title, the first column.
PARTS = (
    ("by_region", "by region", "region"),
    ("by_view", "by view", "view"),
    ("by_hardware", "with and without hardware", "hardware"),
)
# So many Findings get a table each; more stand in one table, with fewer figures.
FEW = 3
# From here on a figure of n images says little.
SMALL = 30
