"""Whether a store may issue points, and how head office is named beside stores."""

# Yes, no, or yes and head office funds them.
ISSUING = ALLOWED, BLOCKED, HQ_FUNDED = "allowed", "blocked", "hq_funded"

# How statements and files name head office.
HEAD_OFFICE = "HQ"
