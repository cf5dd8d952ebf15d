"""`python -m api.cli`: what the programs here start each other as."""

from api.cli.main import main

if __name__ == "__main__":
    main()
