"""Exceptions."""


class CarlError(Exception):
    """What went wrong and what to do about it, in the program's words. `code` is the stage that failed, `hint` what to do."""

    def __init__(self, message: str, code: str = "", hint: str | None = None) -> None:
        super().__init__(message, code, hint)
        self.code, self.hint = code, hint

    def __str__(self) -> str:
        return str(self.args[0])


class InputError(CarlError, ValueError):
    """Cells, labels, options or files that cannot be used."""


class UnknownCellError(CarlError, KeyError):
    """A cell that is not being measured."""
