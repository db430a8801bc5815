"""`python -m jepa_compare.train`: train one run, or with -m the runs of a sweep."""


def main() -> None:
    """Entry point of `python -m jepa_compare.train` and `jepa-train`."""
    from jepa_compare.sweep.entry import main  # torch waits until there is a run: --help is quick

    main()


if __name__ == "__main__":
    main()
