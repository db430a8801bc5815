"""Draw the README's pictures.

    python scripts/picture.py world .github/images/world.png
    python scripts/picture.py runs .github/images/planning.gif RUN_DIR... --kind detour

`world`: frames of the default world, and one task of each kind. `runs`: the same tasks as
different runs plan them, a row per run, from their stored evaluations; a moving picture where the
picture's name ends in .gif.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout that is not installed

from jepa_compare.build import build_source
from jepa_compare.data import TwoRooms
from jepa_compare.data.environment import play
from jepa_compare.evaluation.pictures.animation import animate_planning
from jepa_compare.evaluation.pictures.episodes import MISSED, REACHED, WALL, draw_planning
from jepa_compare.export import load_config
from jepa_compare.rng import generator
from jepa_compare.runs import layout
from jepa_compare.runs.evaluation_records import EvaluationFile
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SummaryFile
from jepa_compare.sweep.plan import parse_command_line

CPU = torch.device("cpu")
FRAMES = 8
TITLES = {
    "same": "same: one room",
    "door": "door: the other room",
    "detour": "detour: the straight line fails",
}


def draw_room(
    axes: Axes, size: tuple[int, ...], obstacles: list[tuple[float, float, float, float]]
) -> None:
    for x0, y0, x1, y1 in obstacles:
        axes.add_patch(patches.Rectangle((x0, y0), x1 - x0, y1 - y0, color=WALL, linewidth=0))
    *_, height, width = size
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.set(xticks=[0, width - 1], yticks=[0, height - 1])
    axes.tick_params(labelsize=8, length=2)


def draw_world(path: Path) -> None:
    config = parse_command_line(["device=cpu"], multirun=False).jobs[0].config
    source = build_source(config)
    assert isinstance(source, TwoRooms)
    suite, size = source.task_suite, source.obs_shape
    batch = source.sample(generator(0, "data"), 64, FRAMES, CPU)
    position = batch.labels["position"]
    longest = (position[..., 0].amax(1) - position[..., 0].amin(1)).argmax()  # through the door
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 2.2])
    top, bottom = parts
    for step, (axes, picture) in enumerate(
        zip(top.subplots(1, FRAMES), source.picture(batch.obs[longest]), strict=True)
    ):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"frame {step}" if step == 0 else str(step), fontsize=9)
    panels = bottom.subplots(1, 4)
    draw_room(panels[0], size, suite.obstacles(position[longest])[0])
    x, y = position[longest].T
    panels[0].plot(x, y, ".-", color=REACHED)
    panels[0].set_title("the trajectory above", fontsize=9)
    panels[0].set_ylabel("px", fontsize=8)
    settings = config.evaluation
    for axes, (kind, title) in zip(panels[1:], TITLES.items(), strict=True):
        tasks = suite.sample(
            generator(settings.task_seeds()[0], f"evaluation/{kind}"), kind, 20, CPU
        )
        distance = suite.distance(tasks.start, tasks.goal)
        if kind == "door":  # one that is no detour
            distance *= suite.straight_line_succeeds(
                tasks.start, tasks.goal, generator(0, "evaluation")
            )
        far = int(distance.argmax())
        start, goal = (part[far : far + 1] for part in (tasks.start, tasks.goal))
        draw_room(axes, size, suite.obstacles(start)[0])
        for name, style, label in (
            ("straight_line", {"color": MISSED, "linestyle": ":"}, "straight line"),
            ("door_script", {"color": REACHED, "linestyle": "-"}, "door script"),
        ):
            policy = suite.policy(name, generator(0, "evaluation"))
            states = play(source.environment, policy, start, goal, settings.planning.steps, None)
            walk = torch.cat([suite.position(state) for state in states])
            axes.plot(*walk.T, marker=".", markersize=3, label=label, **style)
        (x, y), (goal_x, goal_y) = start[0, :2].tolist(), goal[0, :2].tolist()
        axes.plot(x, y, "o", color="black", markerfacecolor="white", label="start", zorder=3)
        axes.plot(goal_x, goal_y, "*", color="black", markersize=10, label="goal", zorder=3)
        axes.set_title(title, fontsize=9)
    handles, labels = panels[-1].get_legend_handles_labels()
    bottom.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)


def draw_runs(path: Path, runs: list[Path], kind: str, columns: int) -> None:
    episodes, size = {}, (0, 0)
    for run in runs:
        config = load_config(run, trust=True)
        summary = read_record(SummaryFile, run, layout.SUMMARY)
        assert summary is not None, f"{run} holds no finished run"
        name = f"{summary.evaluation}.json"
        stored = read_record(EvaluationFile, run, layout.EVALUATIONS, name)
        assert stored is not None, f"{run} has lost {name}"
        episodes[config.aux_loss["name"]] = stored.episodes[kind][:columns]
        *_, height, width = build_source(config).obs_shape
        size = (width, height)
    if path.suffix == ".gif":
        animate_planning(episodes, size, columns, path)
    else:
        draw_planning(episodes, size, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["world", "runs"])
    parser.add_argument("path", type=Path, help="the picture")
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN_DIR")
    parser.add_argument("--kind", default="detour", help="kind of the tasks (%(default)s)")
    parser.add_argument("--columns", type=int, default=6, help="tasks shown (%(default)s)")
    arguments = parser.parse_args()
    if arguments.what == "world":
        draw_world(arguments.path)
    else:
        draw_runs(arguments.path, arguments.runs, arguments.kind, arguments.columns)
