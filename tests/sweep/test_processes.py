"""Processes for jobs, without training: slots, deaths, and that no process is left behind."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.evaluation.stored import evaluation_path
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.sweep.commands.evaluate import settings_in
from jepa_compare.sweep.directory import announce
from jepa_compare.sweep.processes import command, gpu_slots
from jepa_compare.system import files
from tests.support.records import finished_summary
from tests.support.runs import job as tiny_job
from tests.support.runs import read_status


def test_slots_follow_the_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert gpu_slots("auto", 2) == ["3", "5", "3", "5"]
    assert gpu_slots("cpu", 2) == []
    assert gpu_slots("cuda:1", 2) == [None, None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_slots("auto", 2) == []


def test_slots_are_all_devices_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert gpu_slots("cuda", 1) == ["0", "1", "2"]


def test_a_job_is_its_run_then_what_is_missing_of_its_evaluations(tmp_path: Path) -> None:
    job = replace(tiny_job("evaluation.seed=3"), directory=tmp_path / "it's a run")
    announce(job)
    line = [sys.executable, "-m", "jepa_compare.train", "--run", str(job.directory)]
    assert command(job) == line
    status = read_status(job.directory) | {"state": "completed"}
    files.write_json(job.directory / layout.STATUS, status)
    files.write_json(job.directory / layout.SUMMARY, encode(finished_summary()))
    line = command(job) or []
    assert line[1:3] == ["-m", "jepa_compare.evaluate"] and line[-1] == str(job.directory)
    settings = settings_in(line[line.index("--settings") + 1])
    assert settings == job.config.evaluation
    files.write_json(evaluation_path(job.directory, settings), {})
    assert command(job) is None
