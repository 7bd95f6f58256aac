"""One command a module; each has `run(arguments)`."""
