"""What a submit costs the database: one transaction, and few statements in it."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.test_jobs import submit
from tests.data import encoded, generated_radiograph, pydicom_file
from tests.statements import statements

MOST = 10


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known for seconds is known for the test, however busy the machine is."""
    for name in ("api.known_keys.FRESH_S", "api.site_rules.FRESH_S", "db.repositories.jobs.limits.COUNT_FRESH_S"):
        monkeypatch.setattr(name, 600.0)
    monkeypatch.setattr("db.session.IDLE_S", 600.0)


@pytest.mark.parametrize("key", [None, "k-1"])
@pytest.mark.parametrize("kind", ["png", "dicom"])
def test_one_transaction_and_ten_statements(client: httpx2.Client, kind: str, key: str | None) -> None:
    first = encoded(generated_radiograph(64, 48, seed=1))
    assert submit(client, first).status_code == 202  # the key, the Site's rules and the counts are known for seconds
    content = (
        pydicom_file("RG3_UNCR.dcm").read_bytes() if kind == "dicom" else encoded(generated_radiograph(64, 48, seed=2))
    )
    headers = {} if key is None else {"Idempotency_Key": key}
    with statements() as sent:
        assert submit(client, content, **headers).status_code == 202
    assert sent.count("COMMIT") == 1
    assert "ROLLBACK" not in sent
    assert len(sent) <= MOST, "\n".join(sent)
    if key is not None:
        with statements() as sent:
            again = submit(client, content, **headers)
        assert again.headers["idempotent-replayed"] == "true"
        assert sent.count("COMMIT") <= 2
