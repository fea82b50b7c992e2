from tests.disputes.conftest import run

__all__ = ["run"]
