"""Earlier files in the shape of today's records; they keep their `schema_version`.

Every function takes the parsed content of one file, of which nothing is known yet but its version,
and returns a changed copy. Evaluations and floors were as they are, without descriptions.
"""

from typing import Any

_RECIPES = {"vicreg_context"}
"""Options of aux_loss that bore another option's name."""


def upgrade_config(content: dict[str, Any]) -> dict[str, Any]:
    """Each option has a name of its own now, by which its runs get a row of their own."""
    choices, config = content.get("choices"), content.get("config")
    option = choices.get("aux_loss") if isinstance(choices, dict) else None
    if not isinstance(option, str) or option not in _RECIPES or not isinstance(config, dict):
        return content
    aux_loss = config.get("aux_loss")
    if isinstance(aux_loss, dict):
        config = config | {"aux_loss": aux_loss | {"name": option}}
    return content | {"name": option, "config": config}


def upgrade_summary(content: dict[str, Any]) -> dict[str, Any]:
    """`seconds.looks` is called `seconds.interim_evaluations`."""
    seconds = content.get("seconds")
    if not isinstance(seconds, dict) or "looks" not in seconds:
        return content
    renamed = {("interim_evaluations" if k == "looks" else k): v for k, v in seconds.items()}
    return content | {"seconds": renamed}


def rename_status(content: dict[str, Any]) -> dict[str, Any]:
    """`dimensional_collapse`, of both versions, is `no_better_than_untrained` by today's rule."""
    if content.get("status") != "dimensional_collapse":
        return content
    return content | {"status": "no_better_than_untrained"}
