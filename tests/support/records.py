"""Small records for tests that need some run, whichever."""

from jepa_compare.runs.records import SCHEMA_VERSION, ConfigFile, Hardware, Seconds, SummaryFile

IDENTITY = ConfigFile(
    schema_version=SCHEMA_VERSION,
    run_name="vicreg_s0_0123abcd",
    name="vicreg",
    seed=0,
    hash="0123abcd",
    config={"training": {"lr": 0.1}},
    choices={},
    overrides=[],
)


def finished_summary() -> SummaryFile:
    """Of a run that did nothing."""
    return SummaryFile(
        schema_version=SCHEMA_VERSION,
        status="healthy",
        diverged=None,
        collapsed_at=None,
        alarms=[],
        metrics={},
        evaluation=None,
        untrained={},
        floors={},
        steps=10,
        parameters={},
        compile="off",
        seconds=Seconds(train=1.0, evaluation=1.0, total=2.0),
        samples_per_second=None,
        peak_memory_bytes=None,
        versions={},
        hardware=Hardware(device="cpu", name="", cores=None, instructions="", threads=1),
        git=None,
        flags={},
        environment={},
        command=[],
    )
