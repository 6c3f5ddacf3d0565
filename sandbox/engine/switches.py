"""Switches: provider behaviour that is undocumented, optional or disputed can be changed at run time."""

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float | bool | None


class BadSwitch(ValueError):
    """The switch does not exist, or cannot have that value."""


@dataclass(frozen=True)
class Switch:
    """A default and the values allowed; without ``choices`` any value of the default's type is."""

    default: Value
    choices: tuple[Value, ...] = ()

    def allows(self, value: object) -> bool:
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if self.default is None:
            return value is None or is_number(value)
        if isinstance(self.default, bool | str):
            return type(value) is type(self.default)
        return is_number(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COMMON: dict[str, Switch] = {
    "code_ttl": Switch(600),
    "access_ttl": Switch(None),
    "strict_reuse": Switch(False),
}


def defaults(switches: Mapping[str, Switch]) -> dict[str, Value]:
    return {name: switch.default for name, switch in switches.items()}


def checked(switches: Mapping[str, Switch], wanted: Mapping[str, Value]) -> dict[str, Value]:
    for name, value in wanted.items():
        if name not in switches:
            raise BadSwitch(f"no switch {name!r}; there are {', '.join(sorted(switches))}")
        if not switches[name].allows(value):
            raise BadSwitch(f"switch {name!r} cannot be {value!r}")
    return dict(wanted)
