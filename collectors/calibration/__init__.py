"""What a sensor does of itself: how often its value is renewed, how late and over what time it averages."""
