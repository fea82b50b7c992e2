from __future__ import annotations

import pytest


@pytest.fixture(params=["together", "apart"])
def together_and_apart(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: as the threads of one worker post, and each with a call of its own, as those of many workers do."""
    if request.param == "apart":
        monkeypatch.setattr("tenants.foundation.group_commit.PATIENCE_SECONDS", 0.0)
