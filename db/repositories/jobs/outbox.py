"""Deliveries are made by the statement that ends a Job: there is no moment in which one is done and the other not."""

from __future__ import annotations

from sqlalchemy import TextClause, text

MARK = "told AS (…)"
_TOLD = """told AS (
    INSERT INTO delivery (id, site_id, rule_id, job_id)
    SELECT gen_random_uuid(), rule.site_id, rule.id, moved.id
    FROM moved JOIN delivery_rule AS rule
        ON rule.site_id = moved.site_id AND rule.enabled AND moved.state = ANY (rule.events)
)"""


def with_deliveries(statement: str) -> TextClause:
    """`statement` with its mark replaced: a Delivery for each Job of its expression `moved` (id, site_id, state) and
    each enabled rule of the Job's Site that tells of that state. A Job ends once, so that a rule tells of it once.
    """
    if MARK not in statement:
        raise ValueError("The statement has no place for deliveries")
    return text(statement.replace(MARK, _TOLD))
