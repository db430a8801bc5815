"""The fast forms of the losses: value and gradient made together, held to the textbook by tests."""
