"""`python -m wse_sim` is the command `wse-sim`."""

from wse_sim.mapping.cli import main

if __name__ == "__main__":
    main()
