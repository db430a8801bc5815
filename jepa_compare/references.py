"""What rows are held against on the same planning tasks: floors, references, ceilings, by name."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferencePolicy:
    """What a row is held against: an agent that learned nothing, or one that knows everything."""

    name: str
    """As in `floors/<key>.json`."""
    label: str
    kind: Literal["floor", "ceiling", "reference"]


REFERENCE_POLICIES = (  # floors first, ceilings last: a table's last rows
    ReferencePolicy(name="random", label="random policy", kind="floor"),
    ReferencePolicy(name="straight_line", label="straight line", kind="floor"),
    ReferencePolicy(name="untrained", label="untrained encoder", kind="floor"),
    # "oracle" is what version 1 called the planner with straight-line cost.
    *(
        ReferencePolicy(name=name, label="true dynamics, straight-line cost", kind="reference")
        for name in ("true_dynamics_straight", "oracle")
    ),
    ReferencePolicy(
        name="true_dynamics_geodesic", label="true dynamics, geodesic cost", kind="ceiling"
    ),
    ReferencePolicy(name="door_script", label="door script", kind="ceiling"),
)


def reference_policies(names: Iterable[str]) -> tuple[ReferencePolicy, ...]:
    """The policies called so, in the order of a table; those of a user's own source come last."""
    left = {n: ReferencePolicy(name=n, label=n.replace("_", " "), kind="reference") for n in names}
    known = [policy for policy in REFERENCE_POLICIES if left.pop(policy.name, None)]
    return (*known, *(left[name] for name in sorted(left)))
