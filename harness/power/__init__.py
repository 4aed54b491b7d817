"""Power of this machine by itself: recorded to a file, summed up and drawn."""
