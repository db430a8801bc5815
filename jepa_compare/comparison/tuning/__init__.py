"""Studies: what their runs say of the settings that were tried, and which of them are compared."""
