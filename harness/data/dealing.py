"""Samples dealt to ranks, so that n ranks with batches of B together see the batches of nB of one."""

from typing import NamedTuple


class Share(NamedTuple):
    """What is dealt to rank `number` of `size`."""

    number: int = 0
    size: int = 1

    def of_batch(self, samples: int) -> slice:
        """Its samples of a batch of all ranks; all have as many but for a remainder, which the first ranks have."""
        each, remainder = divmod(samples, self.size)
        begin = self.number * each + min(self.number, remainder)
        return slice(begin, begin + each + (self.number < remainder))


ALL = Share()
"""All samples: there is one rank."""
