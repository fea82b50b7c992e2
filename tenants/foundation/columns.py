"""Column types that every noun's tables share."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, LargeBinary, Numeric, Text
from sqlalchemy.orm import mapped_column

Key = Annotated[UUID, mapped_column(primary_key=True)]
Points = Annotated[int, mapped_column(BigInteger)]
MinorUnits = Annotated[int, mapped_column(BigInteger)]
OptionalBigInteger = Annotated[int | None, mapped_column(BigInteger)]
Words = Annotated[str, mapped_column(Text)]
OptionalWords = Annotated[str | None, mapped_column(Text)]
WordList = Annotated[list[str], mapped_column(ARRAY(Text))]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
OptionalMoment = Annotated[datetime | None, mapped_column(DateTime(timezone=True))]
Day = Annotated[date, mapped_column()]
OptionalDay = Annotated[date | None, mapped_column()]
MonthKey = Annotated[date, mapped_column(primary_key=True)]
Bytes = Annotated[bytes, mapped_column(LargeBinary)]
OptionalBytes = Annotated[bytes | None, mapped_column(LargeBinary)]
Rate = Annotated[Decimal, mapped_column(Numeric(18, 6))]
Count = Annotated[int, mapped_column(Integer)]
OptionalKey = Annotated[UUID | None, mapped_column()]
Exact = Annotated[Decimal, mapped_column(Numeric(24, 6))]
OptionalRate = Annotated[Decimal | None, mapped_column(Numeric(18, 6))]
OptionalCount = Annotated[int | None, mapped_column(Integer)]
