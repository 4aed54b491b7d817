"""What to run: the files of scenarios/, read, checked and expanded into launches."""
