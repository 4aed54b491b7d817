"""What this machine has: frameworks that see the device, power sensors and how they behave, and foreign load."""
