"""What a conditional write expects of the object that it replaces."""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias


class Expect(Enum):
    """What a conditional write may expect of an object, besides a version."""

    ANY = "any"
    ABSENT = "absent"


#: Whatever is there is replaced.
ANY: Final = Expect.ANY
#: Nothing is there yet.
ABSENT: Final = Expect.ABSENT
IfVersion: TypeAlias = Expect | str
