"""What papers and libraries call the arguments of the losses: for the hint in an error."""

KNOWN_AS: dict[str, tuple[str, ...]] = {
    # λ of Barlow Twins: lightly (which calls VICReg's so, too), the authors' code, solo-learn.
    "lambda_param": ("off_diagonal_weight", "sim_coeff"),
    "lambd": ("off_diagonal_weight",),
    "lamb": ("off_diagonal_weight",),
    "lambda_coeff": ("off_diagonal_weight",),
    # VICReg: lightly, solo-learn.
    "mu_param": ("std_coeff",),
    "nu_param": ("cov_coeff",),
    "sim_loss_weight": ("sim_coeff",),
    "var_loss_weight": ("std_coeff",),
    "cov_loss_weight": ("cov_coeff",),
    "sim_weight": ("sim_coeff",),
    "inv_weight": ("sim_coeff",),
    "invariance_weight": ("sim_coeff",),
    "var_coeff": ("std_coeff",),
    "var_weight": ("std_coeff",),
    "variance_weight": ("std_coeff",),
    "cov_weight": ("cov_coeff",),
    "covariance_weight": ("cov_coeff",),
    # Projectors: the authors of VICReg, solo-learn and others.
    "mlp": ("projector",),
    "proj_hidden_dim": ("projector", "hidden"),
    "proj_output_dim": ("projector", "bottleneck"),
    # DINO: the authors' code, lightly, solo-learn.
    "center_ema_decay": ("center_momentum",),
    "student_temp": ("student_temperature",),
    "teacher_temp": ("teacher_temperature",),
    "warmup_teacher_temp": ("warmup_teacher_temperature",),
    "warmup_teacher_temp_epochs": ("warmup_fraction",),
    "momentum_teacher": ("head_momentum",),
    "freeze_last_layer": ("frozen_fraction",),
    "out_dim": ("prototypes",),
    "output_dim": ("prototypes",),
    "num_prototypes": ("prototypes",),
    "hidden_dim": ("hidden",),
    "bottleneck_dim": ("bottleneck",),
    "use_bn_in_head": ("batch_norm",),
    # SIGReg: the authors' code.
    "slices": ("num_slices",),
    "num_points": ("knots",),
    "n_points": ("knots",),
}
"""A name that people bring, to our names for it: the first that the loss at hand has is meant."""
