"""The names of what has states, and of the states. Which step leads where is in the database's table of states."""

WINDOW, SETTLEMENT, LEG, DISPUTE = "window", "settlement", "leg", "dispute"

OPEN, CLOSED = "open", "closed"
PROPOSED, APPROVED, SETTLING, SETTLED, REJECTED = "proposed", "approved", "settling", "settled", "rejected"
PENDING, INSTRUCTED, CONFIRMED, FAILED, CARRIED = "pending", "instructed", "confirmed", "failed", "carried"
OPENED, ACCEPTED, EXPIRED = "opened", "accepted", "expired"

# Before the first state there is.
NEW = {WINDOW: OPEN, SETTLEMENT: "none", LEG: "none", DISPUTE: "none"}
# A settlement in one of these is what it is for ever.
FINAL = (APPROVED, SETTLING, SETTLED)
