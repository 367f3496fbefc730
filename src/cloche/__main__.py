"""`python -m cloche` is `cloche`."""

from cloche.cli.main import main

main()
