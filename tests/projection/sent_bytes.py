"""What is compared of two ranks: kinds of world.parallel, and steps of a rollout with micro-batches."""

KINDS = ("data", "sharded_optimiser", "sharded")
WAYS = ((1, 1), (2, 1), (1, 2), (2, 2))
WARM, STEPS = 2, 2


def name_of(kind, way):
    return f"{kind} {way[0]} {way[1]}"


def predicted_by(kind):
    return f"{kind} predicted"
