"""The command line, a module for each group of commands. Each loads what it needs only when it runs."""
