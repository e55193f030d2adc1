"""The sample corpus's voice: a glottal pulse train through formant resonators (a source-filter
voice), no recording of anybody.

It says nothing: six vowels run through, those of the RAVDESS statement that the clip's name bears.
Pitch, range, loudness, tempo and breathiness follow the emotion in the directions that Juslin and
Laukka (2003, Psychological Bulletin 129(5)) report for acted speech.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from manifests.corpora.sample import SampleClip

Samples = NDArray[np.float32]
RATE_HZ = 48_000
PAUSE_S = 0.25
"""Silence but for the room's noise, before and after the voice."""

_BLOCK = RATE_HZ // 200
"""Samples with the same formants: 5 ms."""
_LEVEL_DB = -26.0
"""Root mean square of a neutral voice, re full scale."""
_ROOM_DB = -72.0


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds, against a neutral voice."""

    pitch: float
    """Factor on the speaker's pitch."""
    swing: float
    """Depth of the pitch accents, as a share of the pitch."""
    level_db: float
    syllables_per_s: float
    dark_hz: float
    """Corner of the low pass on the pulses: low for a soft voice."""
    jitter: float
    """Random change of pitch from one pulse to the next, as a share."""


MANNERS = {
    "neutral": Manner(
        pitch=1.00, swing=0.05, level_db=0, syllables_per_s=3.9, dark_hz=2500, jitter=0.008
    ),
    "calm": Manner(
        pitch=0.95, swing=0.04, level_db=-3, syllables_per_s=3.4, dark_hz=1800, jitter=0.006
    ),
    "happy": Manner(
        pitch=1.35, swing=0.22, level_db=4, syllables_per_s=4.6, dark_hz=3500, jitter=0.010
    ),
    "sad": Manner(
        pitch=0.85, swing=0.04, level_db=-6, syllables_per_s=3.2, dark_hz=1200, jitter=0.015
    ),
    "angry": Manner(
        pitch=1.20, swing=0.16, level_db=7, syllables_per_s=4.8, dark_hz=5000, jitter=0.020
    ),
    "fearful": Manner(
        pitch=1.50, swing=0.10, level_db=1, syllables_per_s=5.2, dark_hz=2500, jitter=0.030
    ),
    "disgust": Manner(
        pitch=0.92, swing=0.12, level_db=1, syllables_per_s=3.3, dark_hz=2200, jitter=0.020
    ),
    "surprised": Manner(
        pitch=1.60, swing=0.30, level_db=3, syllables_per_s=4.3, dark_hz=3500, jitter=0.010
    ),
}

# First three formants in Hz, means of 33 men: Peterson and Barney (1952), J. Acoust. Soc. Am.
# 24(2), table II.
_VOWELS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
}
_FOURTH_HZ = 3500
_BANDWIDTHS_HZ = (60, 90, 150, 200)
_STATEMENTS = {1: "iaoiao", 2: "oaeiao"}
"""The vowels of "Kids are talking by the door" and "Dogs are sitting by the door", roughly."""


@dataclass(frozen=True)
class _Speaker:
    pitch_hz: float
    formants: float
    """Factor on the formants: a shorter vocal tract has higher ones."""


def _speaker(actor: int) -> _Speaker:
    """Odd actors have men's pitch and formants, even ones women's, each a little different."""
    step = ((actor * 7) % 12) / 11
    if actor % 2:
        return _Speaker(pitch_hz=100 + 35 * step, formants=0.95 + 0.10 * step)
    return _Speaker(pitch_hz=185 + 45 * step, formants=1.12 + 0.10 * step)


def speak(clip: SampleClip, seed: int) -> Samples:
    """Synthesises the speech of a clip, with its pauses.

    Args:
        clip: Who speaks, what, and with which emotion.
        seed: The same clip and seed give the same samples.

    Returns:
        (time,) float32 at RATE_HZ, full scale 1.0.
    """
    rng = np.random.default_rng(seed)
    manner, speaker = MANNERS[clip.emotion], _speaker(clip.actor)
    vowels = _STATEMENTS[clip.statement]
    count = int(len(vowels) / (manner.syllables_per_s * rng.uniform(0.95, 1.05)) * RATE_HZ)
    strong = 1.0 + 0.5 * (clip.intensity - 1)
    voice = _articulate(_pulses(count, len(vowels), manner, speaker, strong, rng), vowels, speaker)
    voice *= _loudness(count, len(vowels))
    voice *= 10 ** ((_LEVEL_DB + manner.level_db * strong) / 20) / np.sqrt(np.mean(voice**2))
    pause = np.zeros(int(PAUSE_S * RATE_HZ))
    heard = np.concatenate([pause, voice, pause])
    heard += 10 ** (_ROOM_DB / 20) * rng.standard_normal(len(heard))
    return np.asarray(np.clip(heard, -0.99, 0.99), dtype=np.float32)


def _pulses(
    count: int,
    syllables: int,
    manner: Manner,
    speaker: _Speaker,
    strong: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Flow through the glottis, differentiated (which stands for the radiation at the lips), with
    some breath."""
    at = np.arange(count) / count
    accents = 1 + manner.swing * strong * np.sin(2 * np.pi * at * syllables / 2)
    falling = 1.08 - 0.16 * at
    pitch = speaker.pitch_hz * manner.pitch * accents * falling
    even = np.cumsum(pitch) / RATE_HZ
    # Jitter: each pulse has its own factor on the pitch.
    factor = 1 + manner.jitter * rng.standard_normal(int(even[-1]) + 1)
    phase = np.cumsum(pitch * factor[even.astype(np.int64)]) / RATE_HZ
    flow = _rosenberg(phase % 1.0)
    breath = 0.01 * rng.standard_normal(count) * (0.3 + flow)
    dark = sosfilt(butter(1, manner.dark_hz, fs=RATE_HZ, output="sos"), np.diff(flow, prepend=0.0))
    return np.asarray(dark + breath * np.std(dark))


def _rosenberg(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Glottal flow at a share `at` of the period: opening 40 %, closing 16 %, then shut (Rosenberg
    1971, pulse C)."""
    opening, closing = 0.40, 0.16
    rise = 0.5 * (1 - np.cos(np.pi * at / opening))
    fall = np.cos(0.5 * np.pi * (at - opening) / closing)
    return np.where(at < opening, rise, np.where(at < opening + closing, fall, 0.0))


def _articulate(source: NDArray[np.float64], vowels: str, speaker: _Speaker) -> NDArray[np.float64]:
    """The source through four resonators whose centres glide from vowel to vowel."""
    targets = (
        np.array([(*_VOWELS[vowel], _FOURTH_HZ) for vowel in vowels], dtype=np.float64)
        * speaker.formants
    )
    blocks = -(-len(source) // _BLOCK)
    place = np.clip((np.arange(blocks) + 0.5) / blocks * len(vowels) - 0.5, 0, len(vowels) - 1)
    # Half of a syllable is steady, the other half glides to the next vowel.
    glide = np.floor(place) + np.clip(2 * (place % 1.0) - 0.5, 0, 1)
    sound = source
    for formant, bandwidth in enumerate(_BANDWIDTHS_HZ):
        centres = np.interp(glide, np.arange(len(vowels)), targets[:, formant])
        sound = _resonate(sound, centres, bandwidth)
    return sound


def _resonate(
    sound: NDArray[np.float64], centres_hz: NDArray[np.float64], bandwidth_hz: float
) -> NDArray[np.float64]:
    """A digital resonator (Klatt 1980, J. Acoust. Soc. Am. 67(3), eq. 1 and 2), its centre set anew
    for each block."""
    c = -np.exp(-2 * np.pi * bandwidth_hz / RATE_HZ)
    state = np.zeros(2)
    parts = []
    for block, centre in enumerate(centres_hz):
        b = 2 * np.exp(-np.pi * bandwidth_hz / RATE_HZ) * np.cos(2 * np.pi * centre / RATE_HZ)
        part, state = lfilter(
            [1 - b - c], [1, -b, -c], sound[block * _BLOCK : (block + 1) * _BLOCK], zi=state
        )
        parts.append(part)
    return np.concatenate(parts)


def _loudness(count: int, syllables: int) -> NDArray[np.float64]:
    """A swell for each syllable, and soft edges of 20 ms."""
    at = np.arange(count) / count
    swell = 0.25 + 0.75 * np.sin(np.pi * ((at * syllables) % 1.0)) ** 0.7
    edge = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.02 * RATE_HZ))
    return np.asarray(swell * edge)
