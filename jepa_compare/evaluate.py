"""`python -m jepa_compare.evaluate`: evaluate finished runs again."""

from jepa_compare.system.streams import steady_streams


def main() -> None:
    """Entry point of `python -m jepa_compare.evaluate`."""
    steady_streams()
    from jepa_compare.sweep.commands.evaluate import main

    main()


if __name__ == "__main__":
    main()
