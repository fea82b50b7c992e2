"""Whether a store may issue points: yes, no, or yes and head office funds them."""

ISSUING = ALLOWED, BLOCKED, HQ_FUNDED = "allowed", "blocked", "hq_funded"
