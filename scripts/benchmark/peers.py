"""Other people's losses, called in place: `lightly` from the registry and checkouts under --peers.

Nothing of theirs is copied or changed. What their training scripts import beside the loss
(torchvision, timm) is replaced by empty stand-ins, and the single-process group that some of them
reduce over is started. Constants are given in their own units so that the value is ours.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import torch
import torch.distributed as dist
from torch import Tensor, nn

Pair = Callable[[Tensor, Tensor], Tensor]
STAND_INS = (
    *("torchvision", "torchvision.datasets", "torchvision.models", "torchvision.transforms"),
    *("timm", "timm.models", "timm.models.helpers", "timm.optim", "timm.optim.optim_factory"),
)


def find(peers: Path | None) -> dict[str, dict[str, Callable[..., Any]]]:
    """loss name -> peer name -> factory, for the peers that are here; says which are not."""
    found: dict[str, dict[str, Callable[..., Any]]] = {}
    sources: list[tuple[str, str, Callable[[], dict[str, Callable[..., Any]]]]] = [
        ("lightly", "lightly", lightly)
    ]
    if peers is not None:
        sources += [
            ("vicreg", "authors", lambda: vicreg(peers / "vicreg")),
            ("barlowtwins", "authors", lambda: barlow_twins(peers / "barlowtwins")),
            ("dino", "authors", lambda: dino(peers / "dino")),
            ("solo-learn", "solo-learn", lambda: solo_learn(peers / "solo-learn")),
            ("eb_jepa", "eb_jepa", lambda: eb_jepa(peers / "eb_jepa")),
        ]
    for source, name, load in sources:
        try:
            made = load()
        except (ImportError, FileNotFoundError) as error:
            print(f"{source}: not here ({str(error).splitlines()[0]})")
            continue
        for loss, factory in made.items():
            found.setdefault(loss, {})[name] = factory
    return found


def lightly() -> dict[str, Callable[..., Any]]:
    """lightly's modules import torchvision only in its packages' `__init__`: go round those."""
    specification = importlib.util.find_spec("lightly")
    if specification is None or specification.origin is None:
        raise ImportError("pip install --no-deps lightly")
    root = Path(specification.origin).parent
    for package in ("loss", "models", "models.modules"):
        bare_package(f"lightly.{package}", root.joinpath(*package.split(".")))
    vicreg_loss = importlib.import_module("lightly.loss.vicreg_loss").VICRegLoss()
    barlow_loss = importlib.import_module("lightly.loss.barlow_twins_loss").BarlowTwinsLoss
    sigreg_loss = importlib.import_module("lightly.loss.lejepa_loss").SIGReg
    dino_loss = importlib.import_module("lightly.loss.dino_loss").DINOLoss

    def sigreg(directions: Tensor) -> Callable[[Tensor], Tensor]:
        loss = sigreg_loss(num_vectors=directions.shape[1])
        loss._generate_unit_vectors = lambda *_: directions  # the same slices for everybody
        return loss.to(directions.device)

    def dino(center: Tensor, teacher: Tensor) -> Pair:
        loss = dino_loss(len(center)).to(center.device)

        def call(a: Tensor, b: Tensor) -> Tensor:
            loss.center.copy_(center)
            return loss(list(teacher.chunk(2)), [a, b])

        return call

    return {
        "vicreg": lambda d: vicreg_loss,
        "barlow_twins": lambda d: barlow_loss(lambda_param=0.005),
        "sigreg": sigreg,
        "dino": dino,
    }


def vicreg(checkout: Path) -> dict[str, Callable[..., Any]]:
    module = script(checkout, "main_vicreg")

    def make(d: int) -> Pair:
        def call(a: Tensor, b: Tensor) -> Tensor:
            settings = SimpleNamespace(
                batch_size=len(a), sim_coeff=25.0, std_coeff=25.0, cov_coeff=1.0
            )
            this = SimpleNamespace(
                args=settings, num_features=d, backbone=nn.Identity(), projector=nn.Identity()
            )
            return module.VICReg.forward(this, a, b)

        return call

    return {"vicreg": make}


def barlow_twins(checkout: Path) -> dict[str, Callable[..., Any]]:
    module = script(checkout, "main")

    def make(d: int) -> Pair:
        norm = nn.BatchNorm1d(d, affine=False)

        def call(a: Tensor, b: Tensor) -> Tensor:
            this = SimpleNamespace(
                args=SimpleNamespace(batch_size=len(a), lambd=0.005),
                backbone=nn.Identity(),
                projector=nn.Identity(),
                bn=norm.to(a.device),
            )
            return module.BarlowTwins.forward(this, a, b)

        return call

    return {"barlow_twins": make}


def dino(checkout: Path) -> dict[str, Callable[..., Any]]:
    return {"dino": class_of_two_crops(script(checkout, "main_dino").DINOLoss, epoch=True)}


def solo_learn(checkout: Path) -> dict[str, Callable[..., Any]]:
    with on_path(checkout):
        for package in ("solo", "solo.losses", "solo.utils"):
            bare_package(package, checkout.joinpath(*package.split(".")))
        vicreg_loss = importlib.import_module("solo.losses.vicreg").vicreg_loss_func
        barlow_loss = importlib.import_module("solo.losses.barlow").barlow_loss_func
        dino_loss = importlib.import_module("solo.losses.dino").DINOLoss
    return {
        "vicreg": lambda d: lambda a, b: vicreg_loss(a, b, 25.0, 12.5, 1.0),  # it sums over views
        "barlow_twins": lambda d: lambda a, b: barlow_loss(a, b, lamb=0.005, scale_loss=1.0),
        "dino": class_of_two_crops(dino_loss, epoch=False),
    }


def eb_jepa(checkout: Path) -> dict[str, Callable[..., Any]]:
    if not checkout.is_dir():
        raise FileNotFoundError(f"no {checkout.name} under --peers")
    with on_path(checkout):
        module = importlib.import_module("eb_jepa.losses")

    def vicreg(d: int) -> Pair:
        # Its invariance has weight 1, its variance is doubled, its covariance a mean over d(d - 1).
        loss = module.VICRegLoss(std_coeff=0.5, cov_coeff=(d - 1) / 25)
        return lambda a, b: 25 * loss(a, b)["loss"]

    def sigreg(directions: Tensor) -> Callable[[Tensor], Tensor]:
        # 33 points on [-3, 3] are 17 on [0, 3]; without the factor n.
        return lambda z: len(z) * module.epps_pulley(z @ directions, n_points=33).mean()

    return {"vicreg": vicreg, "sigreg": sigreg}


def class_of_two_crops(loss_class: Any, epoch: bool) -> Callable[..., Pair]:
    """A factory for the DINO losses that descend from the authors' class."""

    def make(center: Tensor, teacher: Tensor) -> Pair:
        if epoch:
            loss = loss_class(len(center), 2, 0.04, 0.04, 0, 1)
        else:
            loss = loss_class(len(center), 0.04, 0.04, 0, 1)
        loss.to(center.device)

        def call(a: Tensor, b: Tensor) -> Tensor:
            loss.center = center[None]
            both = torch.cat([a, b])
            return loss(both, teacher, 0) if epoch else loss(both, teacher)

        return call

    return make


def script(checkout: Path, name: str) -> Any:
    """A training script of a checkout as a module, its neighbours importable meanwhile."""
    file = checkout / f"{name}.py"
    if not file.exists():
        raise FileNotFoundError(f"no {checkout.name}/{name}.py under --peers")
    specification = importlib.util.spec_from_file_location(f"{checkout.name}_{name}", file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with on_path(checkout):
        specification.loader.exec_module(module)
    start_group()
    return module


def bare_package(name: str, folder: Path) -> None:
    """Let `import name.module` work without running the package's own `__init__`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no {folder.name} where it should be")
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """`folder` first on the path, stand-ins for what is not installed, both gone afterwards along
    with the folder's own top-level modules (several checkouts have a `utils`)."""
    stood_in = [name for name in STAND_INS if name not in sys.modules and not installed(name)]
    sys.modules.update({name: MagicMock() for name in stood_in})
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in stood_in:
            del sys.modules[name]
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if "." not in name and origin and Path(origin).parent == folder:
                del sys.modules[name]


def installed(name: str) -> bool:
    """Whether the top-level package of `name` can be imported."""
    return importlib.util.find_spec(name.partition(".")[0]) is not None


def start_group() -> None:
    """A process group of one, which the authors' scripts reduce over."""
    if not dist.is_initialized():
        store = dist.HashStore()  # pyright: ignore[reportPrivateImportUsage]
        dist.init_process_group("gloo", store=store, rank=0, world_size=1)
