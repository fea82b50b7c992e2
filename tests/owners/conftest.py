from tests.disputes.conftest import month, on_redemption

__all__ = ["month", "on_redemption"]
