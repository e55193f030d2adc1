"""What is done about damage: the clip is refused, or what can be read of it is kept and noted."""

from manifests.quarantine import BadClip, Reason

CONTENT_LOST = "content_lost"
"""Note: sound or frames are missing or moved, and the recipe keeps what is left."""
CONCEALED = "concealed"
"""Note: the decoder has filled damaged parts of pictures from their neighbours, and the recipe
keeps them."""

OF_THE_CONTENT = {Reason.CORRUPT, Reason.UNREADABLE, Reason.TRUNCATED}
"""Faults of what a file holds, where others are of limits or of the machine."""


class Damage:
    """What becomes of the damage that is found in one clip."""

    def __init__(self, keep: bool) -> None:
        """Begins a clip.

        Args:
            keep: Whether it is kept for as long as anything of it can be read.
        """
        self.is_kept = keep
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of what was kept: names of the notes above."""
        return tuple(self._notes)

    def report(self, bad: BadClip, note: str = CONTENT_LOST) -> None:
        """Tells of damage.

        Args:
            bad: What was found.
            note: What is noted where the clip is kept.

        Raises:
            BadClip: The same, where it is not.
        """
        if not self.is_kept:
            raise bad
        self._notes[note] = None
