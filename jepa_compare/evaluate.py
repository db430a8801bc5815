"""`python -m jepa_compare.evaluate`: evaluate finished runs again."""


def main() -> None:
    """Entry point of `python -m jepa_compare.evaluate`."""
    from jepa_compare.sweep.commands.evaluate import main

    main()


if __name__ == "__main__":
    main()
