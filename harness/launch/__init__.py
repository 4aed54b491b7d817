"""Where launches run: planned in order, each as a child process, each leaving a record."""
