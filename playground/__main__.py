"""`python -m playground` is the console script `playground`."""

from playground.cli import main

main()
