"""What people write for the sound of a folder: `python sound_scripts.py WAY FOLDER OUT PROCESSES`.

MFCC with deltas of order 1 and 2 and a log-mel of 64 bands, of sound at 16 kHz, in files. It needs
nothing of affectstore, so that any environment with the library of a way can run it.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

RATE_HZ = 16000
STFT: dict[str, Any] = {"n_fft": 512, "win_length": 400, "hop_length": 160}


def loaded(path: Path, out: Path) -> Any:
    """By librosa; of what libsndfile does not read ffmpeg makes a wav first."""
    import librosa

    if path.suffix in {".m4a", ".mp4"}:
        import imageio_ffmpeg

        wav = out / f"{path.stem}.wav"
        words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", path, wav]
        subprocess.run(words, check=True)
        path = wav
    return librosa.load(path, sr=RATE_HZ)[0]


def features(samples: Any) -> dict[str, Any]:
    import librosa
    import numpy as np

    mfcc = librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=40, **STFT)
    deltas = [librosa.feature.delta(mfcc, order=order) for order in (1, 2)]
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, n_mels=64, **STFT)
    return {"mfcc": np.vstack([mfcc, *deltas]).T, "logmel": librosa.power_to_db(mel).T}


def by_librosa(out: Path, path: Path) -> None:
    save(out, path, features(loaded(path, out)))


def by_torchaudio(out: Path, path: Path) -> None:
    """Its own resampler, filters and deltas; files are read by soundfile, which is faster."""
    import soundfile
    import torch
    from torchaudio import functional, transforms

    torch.set_num_threads(1)
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = functional.resample(torch.from_numpy(samples.mean(axis=1)), rate_hz, RATE_HZ)
    mels = {"sample_rate": RATE_HZ, **STFT}
    if not _made:
        _made["mfcc"] = transforms.MFCC(RATE_HZ, 40, melkwargs={"n_mels": 128, **STFT})
        _made["mel"] = transforms.MelSpectrogram(n_mels=64, **mels)
        _made["decibels"] = transforms.AmplitudeToDB(top_db=80)
    mfcc = _made["mfcc"](mono)
    first = functional.compute_deltas(mfcc, 9)
    stacked = torch.cat([mfcc, first, functional.compute_deltas(first, 9)])
    logmel = _made["decibels"](_made["mel"](mono))
    save(out, path, {"mfcc": stacked.T.numpy(), "logmel": logmel.T.numpy()})


_made: dict[str, Any] = {}


def save(out: Path, path: Path, arrays: dict[str, Any]) -> None:
    import numpy as np

    for name, array in arrays.items():
        np.save(out / f"{path.stem}.{name}.npy", array)


def by_audinterface(paths: list[Path], out: Path, processes: int) -> None:
    import audinterface

    def measured(signal: Any, rate_hz: int) -> dict[str, Any]:
        return features(signal[0])

    process = audinterface.Process(
        process_func=measured,
        sampling_rate=RATE_HZ,
        resample=True,
        mixdown=True,
        num_workers=processes,
        multiprocessing=False,
    )
    for path, arrays in zip(paths, process.process_files([*map(str, paths)]), strict=True):
        save(out, path, arrays)


def by_lhotse(paths: list[Path], out: Path, processes: int) -> None:
    """MFCC without deltas, and a log-mel; its compressed files are lossy."""
    from concurrent.futures import ProcessPoolExecutor

    from lhotse import CutSet, Fbank, FbankConfig, LilcomChunkyWriter, Mfcc, MfccConfig, Recording

    cuts = CutSet.from_cuts(Recording.from_file(path).resample(RATE_HZ).to_cut() for path in paths)
    kinds = (
        ("mfcc", Mfcc(MfccConfig(num_mel_bins=128, num_ceps=40))),
        ("logmel", Fbank(FbankConfig(num_mel_bins=64))),
    )
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for name, kind in kinds:
            cuts.compute_and_store_features(
                kind, out / name, num_jobs=processes, executor=pool, storage_type=LilcomChunkyWriter
            )


def by_datasets(paths: list[Path], out: Path, processes: int) -> None:
    from datasets import Array2D, Dataset, Features, Value

    form = Features(
        path=Value("string"),
        mfcc=Array2D((None, 120), "float32"),
        logmel=Array2D((None, 64), "float32"),
    )
    table = Dataset.from_dict({"path": list(map(str, paths))})
    table.map(_row, num_proc=processes, features=form, cache_file_name=str(out / "made.arrow"))


def _row(row: dict[str, str]) -> dict[str, Any]:
    return features(loaded(Path(row["path"]), Path()))


EACH: dict[str, Callable[[Path, Path], None]] = {
    "librosa": by_librosa,
    "torchaudio": by_torchaudio,
}
"""Measures one file; processes share the files."""
ALL: dict[str, Callable[[list[Path], Path, int], None]] = {
    "audinterface": by_audinterface,
    "lhotse": by_lhotse,
    "datasets": by_datasets,
}
"""Has processes of its own."""
NEEDS = {"librosa": "librosa", "torchaudio": "torchaudio"} | {name: name for name in ALL}
"""Way -> what must be installed."""


def main() -> None:
    way, folder, out, processes = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    out.mkdir(parents=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if way in ALL:
        ALL[way](paths, out, int(processes))
        return
    with multiprocessing.get_context("spawn").Pool(int(processes)) as pool:
        pool.map(partial(EACH[way], out), paths, chunksize=8)


if __name__ == "__main__":
    main()
