"""What a port does to frames on purpose: delay, loss, a rate, by direction.

A site, `farswitch impair` and a timeline's events write it in one grammar: a mapping, or its keys
and values as words: `{delay: 2 ms, loss: 0.1 %}` is `delay 2ms loss 0.1%`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, PlainSerializer, PlainValidator, TypeAdapter, model_validator

from farswitch.model.field_types import Fields, Nested, refuse_if

DirectionName = Literal["to_guest", "from_guest"]
"""Towards the guest: what leaves its tunnel's end on the switch server. From it: what leaves the
end on its hypervisor."""
DIRECTIONS: tuple[DirectionName, ...] = get_args(DirectionName)
_QUANTITY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([A-Za-zµ%]+)")
TIMES = {"us": 1, "µs": 1, "ms": 1000, "s": 1_000_000}
_RATES = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_PERCENT = {"%": 10_000}
LONGEST_DELAY = 60_000_000
"""Microseconds."""
SLOWEST, FASTEST = 8_000, 30 * 10**9
"""Bits per second: a frame must pass within seconds; tbf's rate has 32 bits of bytes per second."""


def _quantity(value: object, units: dict[str, int], low: int, high: int) -> int:
    """Return a number with a unit in the smallest one, of which it must be a whole number."""
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    scale = units.get(match[2], units.get(match[2].lower(), 0)) if match else 0
    exact = Decimal(match[1]) * scale if match else Decimal(-1)
    refuse_if(not scale or exact != int(exact) or not low <= exact <= high)
    return int(exact)


def shown_time(microseconds: int) -> str:
    """Return a time as a site writes it."""
    return _shown(microseconds, {"s": 1_000_000, "ms": 1000, "us": 1}, coarse="ms")


def shown_rate(bits: int) -> str:
    """Return bits per second as a site writes them."""
    return _shown(bits, {"Gbit": 10**9, "Mbit": 10**6, "kbit": 10**3, "bit": 1}, coarse="bit")


def shown_percent(ppm: int) -> str:
    """Return parts per million as percent, as a site writes them."""
    return f"{Decimal(ppm) / 10_000:f}%"


def _shown(value: int, units: dict[str, int], *, coarse: str) -> str:
    """Return a number in its largest unit without a fraction; zero in the coarse one."""
    unit = next((name for name, one in units.items() if value and value % one == 0), coarse)
    return f"{value // units[unit]}{unit}"


def quantity(units: dict[str, int], low: int, high: int) -> PlainValidator:
    """Declare a number with a unit, from `low` to `high` of the smallest one."""
    return PlainValidator(lambda value: _quantity(value, units, low, high))


Delay = Annotated[
    int,
    quantity(TIMES, 0, LONGEST_DELAY),
    PlainSerializer(shown_time),
    Field(title="a time of up to 60 s in whole microseconds, with its unit, as 2ms or 500us"),
]
"""Microseconds."""
Percentage = Annotated[
    int,
    quantity(_PERCENT, 0, 1_000_000),
    PlainSerializer(shown_percent),
    Field(title="a percentage to four places with its sign, as 0.1%"),
]
"""Parts per million of the frames."""
Rate = Annotated[
    int,
    quantity(_RATES, SLOWEST, FASTEST),
    PlainSerializer(shown_rate),
    Field(title="a rate from 8kbit to 30Gbit with its unit, as 100Mbit"),
]
"""Bits per second, of Ethernet frames without their checksums."""


class Impairment(Fields):
    """What is done to the frames of one direction of a port; what is 0 or None is not."""

    delay: Delay = 0
    """how much later each frame leaves"""
    jitter: Delay = 0
    """how far the delay of a frame is off at most, equally likely earlier and later"""
    loss: Percentage = 0
    """of the frames are dropped, each by itself"""
    rate: Rate | None = None
    """how fast they leave at most"""
    duplicate: Percentage = 0
    """of the frames leave twice; only with netem"""
    corrupt: Percentage = 0
    """of the frames leave with a wrong bit; only with netem"""
    reorder: Percentage = 0
    """of the frames leave at once, before those that wait; only with netem"""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_if(self.jitter > self.delay)
        refuse_if(self.reorder and not self.delay)
        refuse_if((self.rate or 0) % 8)  # the kernel counts bytes
        return self

    def __bool__(self) -> bool:
        """Whether anything is done to frames."""
        return self != Impairment()

    def __str__(self) -> str:
        """Return it in words, as `impairment` reads them."""
        return " ".join(f"{key} {value}" for key, value in self.written().items())

    def written(self) -> dict[str, str]:
        """Return it as a site writes it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def needs_netem(self) -> tuple[str, ...]:
        """The keys that nothing but netem does."""
        return tuple(k for k in ("duplicate", "corrupt", "reorder") if getattr(self, k))

    @property
    def per_frame(self) -> bool:
        """Whether single frames are chosen, so that none may hold many (super packets)."""
        return bool(self.loss or self.needs_netem)


def impairment(value: object) -> Impairment | None:
    """Read what is done to a direction: a mapping, or its keys and values as words.

    Raises:
        ValueError: It is neither; pydantic's own has the key that is wrong.
    """
    if value is None or isinstance(value, Impairment):
        return value
    read = Impairment.model_validate(_of_words(value) if isinstance(value, str) else value)
    refuse_if(not read)
    return read


def _of_words(text: str) -> dict[str, str]:
    """Return the keys and values of a text; a number alone has its unit behind it."""
    values: dict[str, str] = {}
    words = text.split()
    while words:
        key, words = words[0], words[1:]
        count = 2 if words and words[0].replace(".", "").isdecimal() else 1
        refuse_if(key in values)
        values[key], words = " ".join(words[:count]), words[count:]
    return values


A_DIRECTION = (
    "a mapping with delay, jitter (at most the delay), loss, rate, duplicate, corrupt or reorder "
    "(with a delay), or the same in words, as 'delay 2ms loss 0.1%'"
)
Direction = Annotated[
    Impairment | None,
    PlainValidator(impairment),
    Nested(lambda: Impairment),
    Field(title=A_DIRECTION),
]
LinkDown = Annotated[Literal["down"] | None, Field(title="'down'")]


class PortImpairment(Fields):
    """What is done to a guest's port of the switch."""

    to_guest: Direction = None
    """what the guest gets"""
    from_guest: Direction = None
    """what the guest sends"""
    link: LinkDown = None
    """`down`: the port of the switch is taken down"""

    def __bool__(self) -> bool:
        """Whether anything is done."""
        return any((self.to_guest, self.from_guest, self.link))

    def __str__(self) -> str:
        """Return it for people."""
        parts = [f"{name}: {one}" for name in DIRECTIONS if (one := self.of(name))]
        return ", ".join([*parts, *(["link: down"] if self.link else [])]) or "nothing"

    def of(self, direction: DirectionName) -> Impairment | None:
        """Return what is done to a direction."""
        return self.to_guest if direction == "to_guest" else self.from_guest

    def written(self) -> dict[str, Any]:
        """Return it as a site writes it."""
        found: dict[str, Any] = {n: one.written() for n in DIRECTIONS if (one := self.of(n))}
        return found | ({"link": "down"} if self.link else {})


def _port_impairment(value: object) -> PortImpairment:
    port = PortImpairment.model_validate(value)
    refuse_if(not port)
    return port


NamedImpairments = tuple[tuple[str, PortImpairment], ...]
"""What is done to ports, by a guest's name or a node set."""


def parse_impairments(value: object) -> NamedImpairments:
    """Return the impairments of a mapping from guests or node sets."""
    if isinstance(value, tuple):
        return value
    refuse_if(not isinstance(value, dict))
    one = TypeAdapter(dict[str, Annotated[PortImpairment, PlainValidator(_port_impairment)]])
    return tuple(one.validate_python(value).items())
