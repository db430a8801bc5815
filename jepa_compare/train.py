"""`python -m jepa_compare.train`: train one run, or with -m the runs of a sweep.

With `--run DIR` it starts or continues the run that DIR/config.json describes.
"""

import sys

from jepa_compare.system.streams import steady_streams


def main() -> None:
    """Entry point of `python -m jepa_compare.train` and `jepa-train`."""
    steady_streams()
    # Imported here: --help does not wait for torch, nor a run of a directory for Hydra.
    if sys.argv[1:2] == ["--run"]:
        from jepa_compare.sweep.run_job import main
    else:
        from jepa_compare.sweep.commands.train import main
    main()


if __name__ == "__main__":
    main()
