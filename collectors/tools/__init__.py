"""Power tools, one module each: what can be read through it here, and its readings."""
