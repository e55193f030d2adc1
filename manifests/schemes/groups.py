"""Which clips belong together: what shares a subject, a group or a take is one *group* of a split.

Clips are chained as far as it goes.
"""

from collections.abc import Iterable, Sequence

from manifests.clips import Clip

EVERYTHING = ("group_id", "subject_id", "take_id")
"""The columns of a clip that a disjoint split keeps on one side."""


class SplitError(ValueError):
    """These clips cannot be split as asked; the message says why and what to do."""


def group_clips(clips: Iterable[Clip], keeps: Sequence[str] = EVERYTHING) -> dict[str, list[Clip]]:
    """Gathers clips into groups: clips that share a column of `keeps`, by any chain, are one group.

    Args:
        clips: Any clips, in any order.
        keeps: Columns of a clip; without any, each clip is a group under its own id.

    Returns:
        Group -> its clips, both in the order of ids. A group bears the smallest id that its clips
        have in the first column of `keeps`.

    Raises:
        SplitError: A clip has no id in that column.
    """
    ordered = sorted(clips, key=lambda clip: clip.clip_id)
    naming = keeps[0] if keeps else "clip_id"
    _refuse_unnamed(ordered, naming)
    sets = _DisjointSets()
    for clip in ordered:
        sets.tie(("clip_id", clip.clip_id), *((column, getattr(clip, column)) for column in keeps))
    gathered: dict[_Node, list[Clip]] = {}
    for clip in ordered:
        gathered.setdefault(sets.root(("clip_id", clip.clip_id)), []).append(clip)
    named = {
        min(getattr(clip, naming) for clip in members): members for members in gathered.values()
    }
    return dict(sorted(named.items()))


def group_of_each(clips: Iterable[Clip], keeps: Sequence[str] = EVERYTHING) -> dict[str, str]:
    """Says which group each clip is in.

    Args:
        clips: Any clips, in any order.
        keeps: Columns of a clip that tie clips together.

    Returns:
        Clip id -> group.

    Raises:
        SplitError: As `group_clips`.
    """
    groups = group_clips(clips, keeps).items()
    return {clip.clip_id: group for group, members in groups for clip in members}


def _refuse_unnamed(ordered: Sequence[Clip], naming: str) -> None:
    unnamed = [clip for clip in ordered if getattr(clip, naming) is None]
    if unnamed:
        raise SplitError(
            f"{len(unnamed)} of {len(ordered)} clips have no subject and no group, such as "
            f"{unnamed[0].clip_id}; "
            "say who speaks (for a folder: the column subject of labels.csv, or folders named "
            "subject/label)"
        )


_Node = tuple[str, str | None]


class _DisjointSets:
    """Disjoint sets with path halving (Tarjan and van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[_Node, _Node] = {}

    def root(self, node: _Node) -> _Node:
        parent = self._parent
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def tie(self, *nodes: _Node) -> None:
        """All nodes into one set; a node without a name ties nothing."""
        first = self.root(nodes[0])
        for node in nodes[1:]:
            if node[1] is not None:
                self._parent[self.root(node)] = first
