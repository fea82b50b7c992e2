from tests.disputes.conftest import below_minimum, month, on_redemption

__all__ = ["below_minimum", "month", "on_redemption"]
