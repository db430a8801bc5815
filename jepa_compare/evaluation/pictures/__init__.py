"""Pictures of one run: rollouts and planning episodes. No metric depends on them."""
