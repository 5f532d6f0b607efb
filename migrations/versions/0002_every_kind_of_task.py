"""Results of every kind of task: without a region, by class, routed; referred, judged by their input, and by shifts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What the previous release shows of a result that has no region.
NO_REGION = "UPDATE prediction SET region = 'none', region_probability = 0 WHERE region IS NULL"


def upgrade() -> None:
    op.add_column("job", sa.Column("stability", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.alter_column("prediction", "region", nullable=True)
    op.alter_column("prediction", "region_probability", nullable=True)
    for name in ("probabilities", "routing", "sanity"):
        op.add_column("prediction", sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_check_constraint(
        op.f("ck_prediction_region_whole"), "prediction", "(region IS NULL) = (region_probability IS NULL)"
    )
    op.add_column("finding", sa.Column("three_way", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("finding", sa.Column("stability", sa.Double(), nullable=True))
    op.create_check_constraint(op.f("ck_finding_stability_range"), "finding", "stability BETWEEN 0 AND 1")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_finding_stability_range"), "finding")
    op.drop_column("finding", "stability")
    op.drop_column("finding", "three_way")
    op.drop_constraint(op.f("ck_prediction_region_whole"), "prediction")
    for name in ("sanity", "routing", "probabilities"):
        op.drop_column("prediction", name)
    op.execute(NO_REGION)
    op.alter_column("prediction", "region_probability", nullable=False)
    op.alter_column("prediction", "region", nullable=False)
    op.drop_column("job", "stability")
