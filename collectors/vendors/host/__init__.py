"""Power of the host itself: RAPL counters, hwmon sensors, and the whole node by IPMI."""
