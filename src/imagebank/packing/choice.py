"""Which pictures of a series are shown where not all can be."""

from collections.abc import Collection


def chosen(count: int, most: int, wanted: Collection[int] = ()) -> list[int]:
    """At most `most` of `count` places, in order: those that are wanted first, then others at equal distances.

    The first, the middle and the last are among the others.
    """
    if count <= most:
        return list(range(count))
    found = set(sorted(place for place in wanted if 0 <= place < count)[:most])
    left = most - len(found)
    for number in range(left):
        found.add(round(number * (count - 1) / max(left - 1, 1)))
    return sorted(found)
