"""The tables of an mp4 or a relative of it, each compared with the others (ISO/IEC 14496-12, 8.6).

    mvhd, tkhd, edts/elst   how long the film and each track are, in ticks of the film
    mdhd                    how long the track's media are, in ticks of their own
    stts, ctts              how many samples there are, how long each lasts, how late it is shown
    stsz, stsc, stco/co64   how many, how large each is, how many lie in a chunk, where that begins

A change in one leaves the others, and a decoder follows the changed one without a word: frames
are lost, moved or read in the wrong place. Lengths may differ by `_SLACK_S` and two samples, for
writers round them to the ticks of the film, and leave out the delay of an encoder.
"""

import struct
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from extractors.even_times import UNEVEN_TIMES
from extractors.file_ends import TAIL_LEFT_OUT, Contradiction, Notes
from extractors.movie_boxes import MovieTrack, children, read_tracks, uint
from extractors.movie_runs import FragmentRuns

_WIDTHS = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8}
"""Bytes of a row of a table."""
_SLACK_S = 0.1
"""Seconds by which lengths of a track may differ."""
MOST_OF_MOVIE = 1 << 26
"""Bytes of `moov` that are looked at; of a film of hours it has a few million."""
_MOST_SLACK_S = 1.0
"""Seconds of this slack that may be of samples."""
_HELD_BACK = 32
"""Frames by which one may be shown late or early, at most: twice the pictures that H.264 holds."""
_MOST_SAMPLES = 1 << 22
"""Samples of a track, at most, that are looked at."""
_NEEDED = ((b"mdhd",), (b"stsd",), (b"stts",), (b"stsc",), (b"stsz", b"stz2"), (b"stco", b"co64"))
"""Boxes of which every track has one."""

Ints = NDArray[np.int64]
Span = tuple[int, int]


def check_tables(
    file: BinaryIO, start: int, end: int, media: list[Span], fragments: list[Span]
) -> Notes:
    """Compares the tables of a film with each other.

    Args:
        file: The file.
        start: Where the contents of its box `moov` begin.
        end: Where they end.
        media: Where the contents of each box `mdat` begin and end.
        fragments: Those of each box `moof`.

    Returns:
        `tail_left_out` where an edit leaves out the last samples; UNEVEN_TIMES where a sample has
        no bytes, or fragments do not follow each other in time.

    Raises:
        Contradiction: Two of them cannot both be so.
    """
    if end - start > MOST_OF_MOVIE:
        return ()
    file.seek(start)
    movie = file.read(end - start)
    head = next((movie[a:b] for kind, a, b in children(movie, 0, len(movie), "moov")
                 if kind == b"mvhd"), b"")  # fmt: skip
    film_ticks = _times(head)[0]
    _check_fragmented(movie)
    chunks, notes = [], dict[Any, None]()
    for number, track in enumerate(read_tracks(movie), 1):
        name = f"track {number} ({track.kind or track.likely_kind})"
        _check_whole(name, track)
        if track.kind:
            _check_rows(name, track)
        counts, lasts = _durations(track)
        if track.kind and int(counts.sum()) != track.samples:
            raise _miscounts(name, "stts", int(counts.sum()), track.samples)
        if not track.kind or not 0 < track.samples <= _MOST_SAMPLES:
            continue
        total, longest = int((counts * lasts).sum()), int(lasts.max())
        notes |= dict.fromkeys(_check_lengths(name, track, total, longest, film_ticks))
        if not _check_late(name, track, counts, lasts) or not _sizes(track).all():
            notes[UNEVEN_TIMES] = None
        chunks.append(_chunks(name, track))
    _check_places(np.concatenate(chunks) if chunks else np.zeros((0, 2), np.int64), media)
    return (*notes, *FragmentRuns(movie).check(file, fragments, media))


def _check_rows(name: str, track: MovieTrack) -> None:
    """Refuses tables that have fewer or more rows than they count."""
    for kind, width in _WIDTHS.items():
        box = track.boxes.get(kind, b"")
        rows = uint(box, 4)
        if box and (len(box) < 8 + width * rows or any(box[8 + width * rows :])):
            raise Contradiction(
                f"the table `{kind.decode()}` of {name} has {len(box):,} bytes for {rows:,} rows"
            )


def _check_fragmented(movie: bytes) -> None:
    """Refuses a film that has fragments of a track which it does not describe."""
    heads = [track.boxes.get(b"tkhd", b"") for track in read_tracks(movie)]
    described = {uint(head, 20 if head[:1] == b"\1" else 12) for head in heads}
    for kind, start, end in children(movie, 0, len(movie), "moov"):
        for inner, at, _ in children(movie, start, end, "mvex") if kind == b"mvex" else ():
            if inner == b"trex" and uint(movie, at + 4) not in described:
                raise Contradiction(
                    f"the film has fragments of track {uint(movie, at + 4)}, and no such track"
                )


def _check_whole(name: str, track: MovieTrack) -> None:
    """Refuses a track that lacks a table that each one has, or says two things of its kind."""
    heads = {kind for kind in (b"smhd", b"vmhd") if kind in track.boxes}
    if b"hdlr" not in track.boxes:
        raise Contradiction(f"{name} lacks its box `hdlr`")
    if not track.kind and not heads:
        return
    if heads and not track.kind:
        raise Contradiction(f"{name} has a box `{heads.pop().decode()}`, but is of no known kind")
    for either in _NEEDED:
        if not any(kind in track.boxes for kind in either):
            raise Contradiction(f"{name} lacks its box `{either[0].decode()}`")
    sizes = track.boxes.get(b"stsz", b"")
    needed = 12 if uint(sizes, 4) else 12 + 4 * track.samples
    if sizes and len(sizes) != needed and (uint(sizes, 4) or len(sizes) < needed):
        raise Contradiction(
            f"the table `stsz` of {name} has {len(sizes):,} bytes for {track.samples:,} samples"
        )


def declared_kinds(movie: bytes) -> dict[str, int]:
    """Counts the samples of each kind that the tracks of a film declare.

    Args:
        movie: The box `moov` behind its head.

    Returns:
        `sound` or `pictures` -> samples, where there are any.
    """
    kinds: dict[str, int] = {}
    for track in read_tracks(movie):
        if track.kind and track.samples:
            kinds[track.kind] = kinds.get(track.kind, 0) + track.samples
    return kinds


def fragment_number(head: bytes) -> int:
    """Reads the number of a fragment.

    Args:
        head: The first 16 bytes of a box `moof` behind its head.

    Returns:
        Its number; -1 where it does not begin with it.
    """
    return uint(head, 12) if head[4:8] == b"mfhd" else -1


def check_fragments(numbers: list[int]) -> None:
    """Refuses a film of which fragments are missing before others.

    Args:
        numbers: The number of each fragment, in the order of the file.

    Raises:
        Contradiction: They rise, and some are left out.
    """
    if any(after <= before for before, after in pairwise(numbers)):
        return  # a writer that does not count, or several films in one file
    before = min(1, *numbers[:1]) - 1 if numbers else 0
    for number in numbers:
        if number > before + 1:
            raise Contradiction(
                f"fragment {number} of the film follows number {before}: fragments are missing"
            )
        before = number


def _miscounts(name: str, table: str, found: int, samples: int) -> Contradiction:
    return Contradiction(
        f"the table `{table}` of {name} has {found:,} samples, and `stsz` {samples:,}"
    )


def _rows(box: bytes, at: int, width: int, dtype: str = ">u4") -> Ints:
    """The rows of a table; their number stands before them."""
    size = np.dtype(dtype).itemsize * width
    count = min(uint(box, at), max(0, (len(box) - at - 4) // size))
    found = np.frombuffer(box, dtype, count * width, at + 4) if count else np.zeros(0, dtype)
    return found.astype(np.int64).reshape(-1, width)


def _times(box: bytes) -> Span:
    """Ticks a second, and the duration, of `mvhd` or `mdhd`; 0 where it is not known."""
    if box[:1] == b"\1":
        return uint(box, 20), int.from_bytes(box[24:32])
    duration = uint(box, 16)
    return uint(box, 12), 0 if duration == 0xFFFFFFFF else duration


def _durations(track: MovieTrack) -> tuple[Ints, Ints]:
    rows = _rows(track.boxes.get(b"stts", b""), 4, 2)
    return rows[:, 0], np.where(rows[:, 1] > 0x7FFFFFFF, 0, rows[:, 1])


def _check_lengths(
    name: str, track: MovieTrack, total: int, longest: int, film_ticks: int
) -> Notes:
    """Compares the lengths of a track.

    Returns `tail_left_out` where its edits leave out its end, and UNEVEN_TIMES where lengths differ
    by less than some writers' do, and by more than their ticks.
    """
    ticks, declared = _times(track.boxes.get(b"mdhd", b""))
    if not ticks or not film_ticks:
        raise Contradiction(f"{name} has media of 0 ticks a second")
    slack = _SLACK_S + min(2 * longest / ticks, _MOST_SLACK_S)
    length, tick = total / ticks, 1 / min(ticks, film_ticks)
    if declared and abs(declared / ticks - length) > slack:
        raise _differ(name, "mdhd", declared / ticks, "stts", length)
    are_odd = bool(declared) and abs(declared / ticks - length) > 1.5 * tick
    header = track.boxes.get(b"tkhd", b"")
    shown = int.from_bytes(header[28:36]) if header[:1] == b"\1" else uint(header, 20)
    edits = _edits(track)
    if 0 < shown < 0xFFFFFFFF:
        # Some writers count a pause at the beginning, and some do not.
        ways = [sum(ticks for ticks, begin in edits if begin >= least) for least in (0, -1)]
        by = [way / film_ticks for way in ways] if ways[0] else [length]
        off = min(abs(shown / film_ticks - way) for way in by)
        if off > slack:
            raise _differ(name, "tkhd", shown / film_ticks, "elst" if edits else "stts", by[0])
        are_odd |= min(off, abs(shown / film_ticks - length)) > 1.5 * tick
    if edits and (
        max(edits, key=lambda edit: edit[1])[1] < 0 or any(begin < -1 for _, begin in edits)
    ):
        raise Contradiction(f"no part of {name} is shown by its box `elst`")
    # A cut that copies packets drops frames that are held back, and its edit counts them.
    held_back = 2 * _held_back(track) / ticks
    ends = [begin / ticks + span / film_ticks for span, begin in edits if begin >= 0 and span]
    if ends and max(ends) > length + slack + held_back:
        raise _differ(name, "elst", max(ends), "stts", length)
    is_cut = bool(ends) and max(ends) < length - longest / ticks - held_back - 2 * tick
    return (TAIL_LEFT_OUT,) * is_cut + (UNEVEN_TIMES,) * are_odd


def _held_back(track: MovieTrack) -> int:
    """Ticks between the frame that is shown latest after it is decoded, and the one soonest."""
    rows = _late_rows(track)
    return int(rows[:, 1].max() - rows[:, 1].min()) if len(rows) else 0


def _late_rows(track: MovieTrack) -> Ints:
    """Samples in a row, and by how many ticks they are shown late."""
    rows = _rows(track.boxes.get(b"ctts", b""), 4, 2)
    return np.column_stack([rows[:, 0], (rows[:, 1] + (1 << 31)) % (1 << 32) - (1 << 31)])


def _differ(name: str, one: str, seconds: float, other: str, others: float) -> Contradiction:
    return Contradiction(
        f"{name} lasts {seconds:.3f} s by its box `{one}`, and {others:.3f} s by `{other}`"
    )


def _edits(track: MovieTrack) -> list[Span]:
    """Duration in ticks of the film, and beginning in ticks of the media, of each edit."""
    box = track.boxes.get(b"elst", b"")
    form = ">Qqi" if box[:1] == b"\1" else ">Iii"
    rows = struct.iter_unpack(form, box[8 : len(box) - (len(box) - 8) % struct.calcsize(form)])
    return [(duration, begin) for duration, begin, _ in rows][: uint(box, 4)] if box else []


def _check_late(name: str, track: MovieTrack, counts: Ints, lasts: Ints) -> bool:
    """Refuses frames that are shown at the time of another one, or far from their neighbours; says
    whether frames that last as long as each other follow each other.

    Sound comes in order, and encoders write odd tables for it, which change no sample.
    """
    if track.kind == "sound":
        return True
    rows = _late_rows(track)
    if not len(rows):
        return True
    if int(rows[:, 0].sum()) != track.samples:
        raise _miscounts(name, "ctts", int(rows[:, 0].sum()), track.samples)
    late = np.repeat(rows[:, 1], rows[:, 0])
    steps = np.repeat(lasts, counts)
    shown = np.sort(np.concatenate([[0], np.cumsum(steps)[:-1]]) + late)
    together = int((np.diff(shown) == 0).sum())
    if together and steps.min() > 0:
        raise Contradiction(
            f"{together} samples of {name} are shown at the time of another one by `ctts`"
        )
    if int(late.max() - late.min()) > _HELD_BACK * max(int(steps.max()), 1):
        raise Contradiction(f"samples of {name} are shown far from their neighbours by `ctts`")
    return bool(len(set(steps.tolist())) > 1 or (np.diff(shown) == steps[0]).all())


def _sizes(track: MovieTrack) -> Ints:
    """The bytes of each sample; none where all have as many."""
    return _rows(track.boxes.get(b"stsz", b""), 8, 1)[:, 0]


def _chunks(name: str, track: MovieTrack) -> Ints:
    """Where each chunk begins and ends; nothing where sizes are not those of bytes."""
    starts = _rows(track.boxes.get(b"stco", b""), 4, 1)[:, 0]
    if b"co64" in track.boxes:
        starts = _rows(track.boxes[b"co64"], 4, 1, ">i8")[:, 0]
    runs = _rows(track.boxes.get(b"stsc", b""), 4, 3)
    firsts = np.append(runs[:, 0], len(starts) + 1)
    lengths = np.diff(firsts)
    if not len(runs) or firsts[0] != 1 or lengths.min() < 0:
        raise Contradiction(f"the table `stsc` of {name} names chunks that are not there")
    forms = uint(track.boxes.get(b"stsd", b""), 4)
    if not 1 <= runs[:, 2].min() <= runs[:, 2].max() <= forms:
        raise Contradiction(f"the table `stsc` of {name} names forms that `stsd` has not")
    held = np.repeat(runs[:, 1], lengths)
    if int(held.sum()) != track.samples:
        raise _miscounts(name, "stsc", int(held.sum()), track.samples)
    sizes = _sizes(track)
    if uint(track.boxes.get(b"stsz", b""), 4) or len(sizes) != track.samples:
        return np.zeros((0, 2), np.int64)
    ends = np.cumsum(held)
    total = np.concatenate([[0], np.cumsum(sizes)])
    return np.stack([starts, starts + total[ends] - total[ends - held]], axis=1)


def _check_places(chunks: Ints, media: list[Span]) -> None:
    """Refuses chunks that lie in each other, or in no box `mdat`."""
    chunks = chunks[np.lexsort(chunks.T[::-1])]
    over = np.nonzero((chunks[1:, 0] < chunks[:-1, 1]) & (chunks[1:, 0] != chunks[:-1, 0]))[0]
    if len(over):
        raise Contradiction(
            f"a chunk of samples ends at byte {chunks[over[0], 1]:,}, and the next one begins at "
            f"{chunks[over[0] + 1, 0]:,}"
        )
    inside = np.zeros(len(chunks), np.bool_)
    for start, end in media:
        inside |= (chunks[:, 0] >= start) & (chunks[:, 1] <= end)
    if not inside.all():
        begin, stop = chunks[~inside][0]
        raise Contradiction(
            f"a chunk of samples lies in bytes {begin:,} to {stop:,}, which no box `mdat` holds"
        )
