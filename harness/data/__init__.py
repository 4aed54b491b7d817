"""Fields of weather and ocean as windows of NumPy arrays, the same for every framework."""
