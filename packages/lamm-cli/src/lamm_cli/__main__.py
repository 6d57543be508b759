"""Run the command line with `python -m lamm_cli`."""

from lamm_cli.main import main

if __name__ == "__main__":
    main()
