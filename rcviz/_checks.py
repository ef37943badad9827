"""Checks of arguments that several floors make, with one wording."""


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value outside a closed set, quoting the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_positive(name: str, value: int) -> None:
    """Refuse a count below one."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def check_features(shape: tuple[int, ...], n_channels: int, length: int | None = None) -> None:
    """Refuse a feature map that is not (batch, n_channels, length); say so when its channels are last."""
    if len(shape) == 3 and shape[1] == n_channels and length in (None, shape[2]):
        return
    hint = ""
    if len(shape) == 3 and shape[2] == n_channels and length in (None, shape[1]):
        hint = ": channels are last; use x.transpose(1, 2)"
    wanted = f"(batch, {n_channels}, {'length' if length is None else length})"
    raise ValueError(f"expected {wanted}, got {tuple(shape)}{hint}")
