"""Which clips belong together: what shares a subject, a group or a take, chained as far as it goes,
is one *group* of a split."""

from collections.abc import Iterable, Mapping, Sequence

from manifests.clips import Clip

EVERYTHING = ("group_id", "subject_id", "take_id")
"""The columns of a clip that a disjoint split keeps on one side."""


class SplitError(ValueError):
    """These clips cannot be split as asked; the message says why and what to do."""


def group_clips(clips: Iterable[Clip], keeps: Sequence[str] = EVERYTHING) -> dict[str, list[Clip]]:
    """Group -> its clips, both in the order of ids. Clips that share a column of `keeps`, by any
    chain, are one group.

    A group bears the smallest id that its clips have in the first column of `keeps`; where nothing
    is kept together, each clip is a group under its own id. SplitError for a clip without that id.
    """
    ordered = sorted(clips, key=lambda clip: clip.clip_id)
    naming = keeps[0] if keeps else "clip_id"
    _refuse_homeless(ordered, naming)
    ties = _Ties()
    for clip in ordered:
        ties.tie(("clip_id", clip.clip_id), *((column, getattr(clip, column)) for column in keeps))
    gathered: dict[_Node, list[Clip]] = {}
    for clip in ordered:
        gathered.setdefault(ties.root(("clip_id", clip.clip_id)), []).append(clip)
    named = {
        min(getattr(clip, naming) for clip in members): members for members in gathered.values()
    }
    return dict(sorted(named.items()))


def sharing(members: Mapping[str, Sequence[Clip]]) -> tuple[str, list[str]] | None:
    """The first group of more than one subject, and its subjects; None where every group is one
    subject."""
    for group, clips in members.items():
        subjects = sorted({clip.subject_id for clip in clips if clip.subject_id})
        if len(subjects) > 1:
            return group, subjects
    return None


def _refuse_homeless(ordered: Sequence[Clip], naming: str) -> None:
    homeless = [clip for clip in ordered if getattr(clip, naming) is None]
    if homeless:
        raise SplitError(
            f"{len(homeless)} of {len(ordered)} clips have no subject and no group, such as "
            f"{homeless[0].clip_id}; "
            "say who speaks (for a folder: the column subject of labels.csv, or folders named "
            "subject/label)"
        )


_Node = tuple[str, str | None]


class _Ties:
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
