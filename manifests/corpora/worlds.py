"""What several corpora show: people of one world, by the one name that stands for all."""

from collections.abc import Mapping

_PEOPLE: Mapping[str, Mapping[str, str]] = {
    # MELD has first names, EmoryNLP full ones.
    "friends": {
        "Chandler Bing": "Chandler",
        "Joey Tribbiani": "Joey",
        "Monica Geller": "Monica",
        "Phoebe Buffay": "Phoebe",
        "Rachel Green": "Rachel",
        "Ross Geller": "Ross",
    },
}


def person_of(world: str, name: str) -> str:
    """The name that stands for a person of a world.

    Args:
        world: Name of the world, or of a corpus that is one by itself.
        name: As a corpus has it; of several people with `and` between.

    Returns:
        The name that all corpora of the world are read with; the same name where there is no other.
    """
    people = _PEOPLE.get(world)
    return " and ".join(people.get(one, one) for one in name.split(" and ")) if people else name
