"""A third inference engine: `openvino`."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("prediction", "shadow_prediction")


def upgrade() -> None:
    for table in TABLES:
        _known(table, "'onnxruntime', 'openvino', 'tensorflow'")


def downgrade() -> None:
    """Results of OpenVINO are then said to be of ONNX Runtime, which runs the same graph; `produced_by` stays true."""
    for table in TABLES:
        op.execute(f"UPDATE {table} SET engine = 'onnxruntime' WHERE engine = 'openvino'")  # noqa: S608 - our own names
        _known(table, "'onnxruntime', 'tensorflow'")


def _known(table: str, engines: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_engine_known"), table)
    op.create_check_constraint(op.f(f"ck_{table}_engine_known"), table, f"engine IN ({engines})")
