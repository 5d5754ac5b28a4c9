"""`python -m playground` is the console script `playground`."""

from playground.cli.main import main

main()
