"""`python -m imagebank` is the command `imagebank`."""

from imagebank.cli import main

if __name__ == "__main__":
    main()
