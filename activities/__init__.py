"""Templates of the steps that follow when a stage is entered."""
