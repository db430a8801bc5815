"""The references are described once."""

from jepa_compare.references import reference_policies


def test_reference_policies_stand_floors_first_and_a_users_own_last() -> None:
    policies = reference_policies(
        ["my_script", "true_dynamics_geodesic", "oracle", "random", "true_dynamics_straight"]
    )
    kinds = [policy.kind for policy in policies]
    assert kinds == ["floor", "reference", "reference", "ceiling", "reference"]
    assert policies[-1].label == "my script"
    # Files of earlier versions call the planner with straight-line cost "oracle".
    assert policies[1].label == policies[2].label == "true dynamics, straight-line cost"
    assert policies[3].label == "true dynamics, geodesic cost"
