from __future__ import annotations

import pytest

from settlement.terms.rules import ON_REDEMPTION, POOLED
from tests.conftest import NetworkForTests
from tests.disputes.month import JANUARY, Month


@pytest.fixture
def month(network: NetworkForTests, card: str) -> Month:
    """January, closed: A funds 100 points, B has redeemed 60 of them. It is proposed and can be disputed."""
    month = Month(network)
    use_points(network, card)
    begin_disputing(month)
    return month


@pytest.fixture
def on_redemption(network: NetworkForTests, card: str) -> Month:
    """The same where points are settled when they are used: A owes B 60."""
    month = Month(network)
    month.settle_with(ON_REDEMPTION)
    use_points(network, card)
    begin_disputing(month)
    return month


@pytest.fixture
def below_minimum(network: NetworkForTests, card: str) -> Month:
    """The same where what B is to receive is too little to be paid out."""
    month = Month(network)
    month.settle_with(POOLED, minimum_payout=100)
    use_points(network, card)
    begin_disputing(month)
    return month


def use_points(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 60, occurred_at="2026-01-11T12:00:00Z")


def begin_disputing(month: Month) -> None:
    month.network.close(JANUARY)
    month.propose()
    month.let_dispute_until(3)
