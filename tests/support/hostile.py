"""Damaged and hostile run directories, made from whole ones by a seeded generator.

    damage = Damage(rng)
    kind = damage.spoil(path)     # changes the run directory `path` in one way, and says which

Every kind is something that a full disk, another version, a careless copy or an attacker leaves
behind. None of them may crash the comparison, change what it says of other runs, or go unnoticed.
"""

import json
import os
import pickle
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.evaluation_records import FloorFile
from jepa_compare.runs.records import SCHEMA_VERSION

EVALUATION = f"{layout.EVALUATIONS}/0a1b2c3d.json"
FILES = (layout.CONFIG, layout.STATUS, layout.SUMMARY, EVALUATION, layout.METRICS)

TEXTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "[red]rich[/red] [link=http://e.vil]x[/link]",
    "\x1b[2J\x1b]0;title\x07\x1b[31m",
    "=cmd|' /C calc'!A0",
    "\\input{/etc/passwd}",
    "\u202eright to left\u2066",
    "a\x00b\r\n| c | d |",
    "\ud800 lone surrogate",
    "../../../../etc/passwd",
    "x" * 100_000,
    "",
)
VALUES: tuple[str, ...] = (
    "null", "true", "[]", "{}", "-1", "1e999", "-1e999", "NaN", "Infinity", '"nan"', '"inf"',
    "1e308",
    "9" * 5000, "1" + "0" * 400, "0.1", "[[1, 2], [3]]", '{"a": {"b": [null]}}', "1e-400",
    "[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 950 + "1" + "}" * 950,
    '{"x": 1, "x": 2}', *(json.dumps(text) for text in TEXTS),
)  # fmt: skip


class Damage:
    """Spoils run directories, one after the other, by the numbers of `rng`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.kinds: tuple[Callable[[Path], None], ...] = (
            self.truncate, self.truncate, self.value, self.value, self.value, self.value,
            self.missing_key, self.many_keys, self.version, self.bytes, self.lost, self.link,
            self.loop, self.link_to_folder, self.fifo, self.socket, self.folder, self.huge,
            self.pickle, self.encoding, self.mixed_lines, self.unreadable, self.odd_name,
            self.long_name, self.nested, self.floors, self.traversal, self.two_seeds, self.rates,
            self.tasks, self.nothing_but_status,
        )  # fmt: skip

    def spoil(self, path: Path) -> str:
        kind = self.kinds[int(self.rng.integers(len(self.kinds)))]
        kind(path)
        return kind.__name__

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def _file(self, path: Path) -> Path:
        return path / self.pick(FILES)

    def _json(self, path: Path) -> Path:
        return path / self.pick(FILES[:-1])

    def truncate(self, path: Path) -> None:
        file = self._file(path)
        content = file.read_bytes()
        file.write_bytes(content[: int(self.rng.integers(len(content)))])

    def value(self, path: Path) -> None:
        """One value somewhere in a JSON file becomes another: text, so that it may be no JSON."""
        file = self._json(path)
        content = json.loads(file.read_text())
        node = content
        while True:
            key = self.pick(list(node) if isinstance(node, dict) else range(len(node)))
            below = node[key]
            if not isinstance(below, (dict, list)) or not below or self.rng.random() < 0.3:
                break
            node = below
        node[key] = "@@"
        file.write_text(json.dumps(content).replace('"@@"', self.pick(VALUES)))

    def missing_key(self, path: Path) -> None:
        file = self._json(path)
        content = json.loads(file.read_text())
        del content[self.pick(list(content))]
        file.write_text(json.dumps(content))

    def many_keys(self, path: Path) -> None:
        file = self._json(path)
        content = json.loads(file.read_text())
        nodes = [content, *(value for value in content.values() if isinstance(value, dict))]
        node = self.pick(nodes)
        prefix = self.pick(("eval/success_a", "eval/", "zz", "\x1b"))
        node.update({f"{prefix}{index}": 0.5 for index in range(int(self.pick((300, 3000))))})
        file.write_text(json.dumps(content))

    def version(self, path: Path) -> None:
        file = path / self.pick((layout.CONFIG, layout.SUMMARY, EVALUATION))
        content = json.loads(file.read_text())
        content["schema_version"] = self.pick((0, 4, "2", None, 2.0, True, [2], -1))
        file.write_text(json.dumps(content))

    def bytes(self, path: Path) -> None:
        self._file(path).write_bytes(self.rng.bytes(int(self.rng.integers(5000))))

    def lost(self, path: Path) -> None:
        self._file(path).unlink()

    def link(self, path: Path) -> None:
        """To a file outside, or to a sibling's."""
        file = self._file(path)
        sibling = next(p for p in sorted(path.parent.iterdir()) if p != path and p.is_dir())
        target = self.pick(("/etc/passwd", "/dev/zero", sibling / file.name, "/nowhere"))
        file.unlink()
        file.symlink_to(target)

    def loop(self, path: Path) -> None:
        (path / "up").symlink_to(path.parent)
        (path / "self").symlink_to(path / "self")
        self._file(path).unlink()

    def link_to_folder(self, path: Path) -> None:
        shutil.rmtree(path / layout.EVALUATIONS)
        (path / layout.EVALUATIONS).symlink_to("/etc")

    def fifo(self, path: Path) -> None:
        file = self._file(path)
        file.unlink()
        os.mkfifo(file)

    def socket(self, path: Path) -> None:
        (path / layout.STATUS).unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(path)  # the address of a socket may have 108 characters
            try:
                listener.bind(layout.STATUS)
            finally:
                os.chdir(here)

    def folder(self, path: Path) -> None:
        file = self._file(path)
        file.unlink()
        file.mkdir()
        (file / layout.STATUS).write_text("{}")

    def huge(self, path: Path) -> None:
        """Sparse: it takes no room on the disk."""
        with self._file(path).open("r+b") as file:
            file.truncate(int(self.pick((2**25, 2**31, 2**40))))

    def pickle(self, path: Path) -> None:
        self._file(path).write_bytes(pickle.dumps(_Bomb()))

    def encoding(self, path: Path) -> None:
        file = self._file(path)
        text = file.read_text()
        file.write_bytes(text.encode(self.pick(("utf-16", "utf-32", "utf-16-le", "cp037"))))

    def mixed_lines(self, path: Path) -> None:
        lines = (path / layout.METRICS).read_bytes().splitlines()
        odd = [b"[]", b"{}", b"\x00" * 50, b'{"step": "3"}', b'{"step": 1' * 400, b"{" * 5000]
        mixed = [self.pick((line, odd[index % len(odd)])) for index, line in enumerate(lines)]
        (path / layout.METRICS).write_bytes(b"\n".join([*mixed, b"null"]))

    def unreadable(self, path: Path) -> None:
        """Root may read it all the same."""
        self._file(path).chmod(0)

    def odd_name(self, path: Path) -> None:
        name = self.pick((b"\xff\xfe raw", b"new\nline\x1b[31m", b"<b>&amp;", b"-rf", b"a|b`c"))
        (path / layout.SUMMARY).unlink()
        path.rename(path.parent / os.fsdecode(name + path.name.encode()))

    def long_name(self, path: Path) -> None:
        (path / layout.STATUS).write_text("{")
        path.rename(path.parent / (path.name + "x" * (250 - len(path.name))))

    def nested(self, path: Path) -> None:
        """A run within a run, the inner one without a name."""
        inner = path / "inner"
        inner.mkdir()
        (inner / layout.CONFIG).write_text(json.dumps({"schema_version": SCHEMA_VERSION}))

    def floors(self, path: Path) -> None:
        """Its own version of a floor that all its siblings share; and one that is a link."""
        (path / layout.FLOORS).mkdir()
        key = json.loads((path / layout.SUMMARY).read_text())["floors"]["oracle"]
        floor = FloorFile(
            schema_version=SCHEMA_VERSION,
            policy="oracle",
            seed=None,
            metrics={"eval/success_detour": 0.123},
            tasks={},
        )
        (path / layout.FLOORS / f"{key}.json").write_text(json.dumps(encode(floor)))
        (path / layout.STATUS).write_text("[]")

    def traversal(self, path: Path) -> None:
        content = json.loads((path / layout.SUMMARY).read_text())
        content["evaluation"] = "../../../../etc/passwd"
        content["floors"] = {"oracle": "../config", "random": "/etc/passwd", "../x": "y"}
        content["versions"] = "/etc"
        (path / layout.SUMMARY).write_text(json.dumps(content))

    def two_seeds(self, path: Path) -> None:
        content = json.loads((path / layout.CONFIG).read_text())
        content[self.pick(("seed", "name"))] = self.pick((77, "other", 7.5, True, None))
        (path / layout.CONFIG).write_text(json.dumps(content))

    def rates(self, path: Path) -> None:
        content = json.loads((path / layout.SUMMARY).read_text())
        content["metrics"]["eval/success_detour"] = self.pick((7, -0.5, 1e300, "1", [1]))
        (path / layout.SUMMARY).write_text(json.dumps(content))

    def tasks(self, path: Path) -> None:
        content = json.loads((path / EVALUATION).read_text())
        rows = content["tasks"]["detour"]
        rows[self.pick(("success", "steps", "final_distance"))] = self.pick(
            ([1] * 100, "yes", [None], [[True]] * 100, {"0": True}, [True] * 99, 5)
        )
        (path / EVALUATION).write_text(json.dumps(content))

    def nothing_but_status(self, path: Path) -> None:
        for entry in path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (path / layout.STATUS).write_text(json.dumps({"state": self.pick(VALUES)}))


class _Bomb:
    """Unpickled, it would end the process."""

    def __reduce__(self) -> Any:
        return os._exit, (66,)
