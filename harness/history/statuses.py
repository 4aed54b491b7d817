"""The exit statuses of the gate, and of all commands that pass its verdict on."""

NOTHING, REGRESSED, UNDECIDED, DID_NOT_RUN = 0, 1, 2, 3
MEANING = {
    NOTHING: "nothing found",
    REGRESSED: "regressed",
    UNDECIDED: "undecided",
    DID_NOT_RUN: "did not run as it should",
}
"""The exit statuses in words."""
