"""What a model looks at and how far it can be believed: importance, partial dependence, calibration, groups."""
