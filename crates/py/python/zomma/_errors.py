"""What goes wrong, as exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zomma._status import Status


class RowError(ValueError):
    """A row of a batch has no answer. It is the first such row; on_error='status' tells them all."""

    argument: str | None
    """The argument at fault; None where it is not one alone."""
    index: tuple[int, ...]
    """The row's place in the broadcast shape; () where all arguments were numbers."""
    value: float | None
    """The argument's value there."""
    status: Status
    """What is wrong."""

    def __init__(self, message: str, argument: str | None, index: tuple[int, ...], value: float | None, status: Status) -> None:
        super().__init__(message)
        self.argument = argument
        self.index = index
        self.value = value
        self.status = status

    def __reduce__(self) -> tuple[type[RowError], tuple[object, ...]]:
        return type(self), (self.args[0], self.argument, self.index, self.value, self.status)


class DeviceError(RuntimeError):
    """A device that was asked for is not there, or cannot do what was asked of it."""


class MissingFramework(ImportError):
    """A framework is not installed, or cannot be imported. The message says what to install."""

    framework: str
    """'pytorch', 'tensorflow', 'cupy' or 'jax'."""
    commands: dict[str, str]
    """What installs it, by what it is for."""

    def __init__(self, message: str, framework: str, module: str, commands: dict[str, str]) -> None:
        super().__init__(message, name=module)
        self.framework = framework
        self.commands = commands

    def __reduce__(self) -> tuple[type[MissingFramework], tuple[object, ...]]:
        return type(self), (self.args[0], self.framework, self.name, self.commands)


for _error in (RowError, DeviceError, MissingFramework):
    _error.__module__ = "zomma"  # where users find it, and what tracebacks say
