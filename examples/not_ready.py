"""What ends a trainer in one sentence."""


class NotReady(ValueError):
    """The store, the run folder or the machine lacks what the trainer needs; the message says what
    to do."""
