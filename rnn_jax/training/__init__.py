"""One loop around a task, a network and an optimizer."""
