"""What the power sensors of a machine make of a load that is known, found by measuring and kept by chip and tool."""
