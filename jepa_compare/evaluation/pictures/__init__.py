"""Pictures of one run: rollouts, planning episodes, spectrum."""
