"""A result is one transaction: heatmaps lie beside their finding, and a preview is made for who looks.

Results of the release before keep their objects. Upgrade the API and the services before the workers: the release
before cannot draw what the new workers write.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SOMEWHERE = "num_nonnulls(heatmap, heatmap_key) = 1"
REDUCED = "(reduced_revision IS NULL) = (reduced_sha256 IS NULL)"


def upgrade() -> None:
    op.add_column("explanation", sa.Column("heatmap", sa.LargeBinary(), nullable=True))
    op.alter_column("explanation", "heatmap_key", nullable=True)
    op.alter_column("prediction", "preview_key", nullable=True)
    op.create_check_constraint(op.f("ck_explanation_heatmap_somewhere"), "explanation", SOMEWHERE)
    op.add_column("image", sa.Column("reduced_revision", sa.Text(), nullable=True))
    op.add_column("image", sa.Column("reduced_sha256", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_image_reduced_whole"), "image", REDUCED)
    # How often an object of a refused upload was removed (`db.repositories.images.take_back`).
    op.execute("CREATE SEQUENCE content_taken_back; GRANT USAGE, SELECT ON SEQUENCE content_taken_back TO lucency_site")


def downgrade() -> None:
    """Heatmaps that are in no object are lost: the release before says of these that they are missing."""
    op.execute("DROP SEQUENCE content_taken_back")
    op.drop_constraint(op.f("ck_image_reduced_whole"), "image")
    op.drop_column("image", "reduced_revision")
    op.drop_column("image", "reduced_sha256")
    op.drop_constraint(op.f("ck_explanation_heatmap_somewhere"), "explanation")
    op.execute(
        "UPDATE explanation SET heatmap_key = 'out/' || prediction.job_id || '/' || prediction.fence || '/none.png'"
        " FROM finding, prediction WHERE finding.id = explanation.finding_id"
        " AND prediction.id = finding.prediction_id AND heatmap_key IS NULL"
    )
    op.execute(
        "UPDATE prediction SET preview_key = 'out/' || job_id || '/' || fence || '/none.jpg' WHERE preview_key IS NULL"
    )
    op.alter_column("explanation", "heatmap_key", nullable=False)
    op.alter_column("prediction", "preview_key", nullable=False)
    op.drop_column("explanation", "heatmap")
