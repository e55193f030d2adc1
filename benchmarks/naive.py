"""What a researcher writes without affectstore, to measure it against: `python -m benchmarks.naive
FOLDER OUT`.

For each clip: ffmpeg extracts a wav, librosa loads it at 16 kHz and makes MFCC with deltas and two
log-mels; OpenCV reads every frame and keeps 10 a second; a detector looks for a face in each of
them at full resolution; the largest is cropped to 224 x 224; ResNet-50 encodes the crops one by
one; NumPy saves a file for each feature. Clips are shared among worker processes, each with its
share of the processors' threads, as affectstore's are: the comparison is of the work, not of how it
is spread. Frames may come from torchcodec, and Hugging Face datasets may spread the clips and keep
the features.
"""

import argparse
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import librosa
import numpy as np
from numpy.typing import NDArray

RATE_HZ, FPS, SIDE = 16000, 10.0, 224
Rectangle = tuple[int, int, int, int]
"""left, top, width, height in pixels"""


def features(clip: Path, out: Path, how: argparse.Namespace) -> dict[str, NDArray[Any]]:
    arrays = audio_features(extract_wav(clip, out / f"{clip.stem}.wav"))
    crops = face_crops(FRAMES[how.frames](clip), DETECTORS[how.detector])
    arrays["crops"] = np.array(crops)
    if how.embed:
        arrays["resnet50"] = np.array([embedding(crop) for crop in crops])
    return arrays


def measure(clip: Path, out: Path, how: argparse.Namespace) -> None:
    for name, array in features(clip, out, how).items():
        np.save(out / f"{clip.stem}.{name}.npy", array)


def measure_by_map(clips: list[Path], how: argparse.Namespace) -> None:
    import datasets

    def added(row: dict[str, str]) -> dict[str, NDArray[Any]]:
        return features(Path(row["clip"]), how.out, how)

    kept: dict[str, Any] = {
        name: datasets.Array2D((None, columns), "float32")
        for name, columns in (("mfcc", 120), ("logmel64", 64), ("logmel128", 128))
    }
    kept["crops"] = datasets.Array4D((None, SIDE, SIDE, 3), "uint8")
    kept["clip"] = datasets.Value("string")
    source = datasets.Dataset.from_dict({"clip": [str(clip) for clip in clips]})
    made = source.map(added, num_proc=how.workers, features=datasets.Features(kept))
    made.save_to_disk(how.out / "dataset")


def extract_wav(clip: Path, wav: Path) -> Path:
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", clip, "-vn", wav], check=True
    )
    return wav


def audio_features(wav: Path) -> dict[str, NDArray[Any]]:
    samples, _ = librosa.load(wav, sr=RATE_HZ)
    return librosa_features(samples)


def librosa_features(samples: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """MFCC with deltas of order 1 and 2, and log-mels of 64 and 128 bands."""
    stft: dict[str, Any] = {"sr": RATE_HZ, "n_fft": 512, "win_length": 400, "hop_length": 160}
    mfcc = librosa.feature.mfcc(y=samples, n_mfcc=40, **stft)
    stacked = np.vstack([mfcc, librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)])
    logmels = {
        n: librosa.power_to_db(librosa.feature.melspectrogram(y=samples, n_mels=n, **stft))
        for n in (64, 128)
    }
    return {"mfcc": stacked.T, "logmel64": logmels[64].T, "logmel128": logmels[128].T}


def taken_frames(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """BGR frames, `FPS` a second by the header's frame rate."""
    capture = cv2.VideoCapture(str(clip))
    fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
    number, taken = 0, 0
    while True:
        read, bgr = capture.read()
        if not read:
            break
        if number / fps >= taken / FPS:
            yield np.asarray(bgr, np.uint8)
            taken += 1
        number += 1
    capture.release()


def frames_by_torchcodec(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """BGR frames, those that are shown at `FPS` times a second."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(clip), dimension_order="NHWC", num_ffmpeg_threads=1)
    first, end = decoder.metadata.begin_stream_seconds, decoder.metadata.end_stream_seconds
    for rgb in decoder.get_frames_played_at(np.arange(first, end, 1 / FPS).tolist()).data.numpy():
        yield np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


FRAMES = {"opencv": taken_frames, "torchcodec": frames_by_torchcodec}


def face_crops(
    frames: Iterator[NDArray[np.uint8]], detect: Callable[[NDArray[np.uint8]], list[Rectangle]]
) -> list[NDArray[np.uint8]]:
    crops = []
    for bgr in frames:
        faces = detect(bgr)
        if faces:
            x, y, width, height = max(faces, key=lambda face: face[2] * face[3])
            face = bgr[max(y, 0) : y + height, max(x, 0) : x + width]
            crops.append(
                np.asarray(
                    cv2.cvtColor(cv2.resize(face, (SIDE, SIDE)), cv2.COLOR_BGR2RGB), np.uint8
                )
            )
    return crops


def haar(bgr: NDArray[np.uint8], scale: float, neighbours: int) -> list[Rectangle]:
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return [
        (int(x), int(y), int(w), int(h))
        for x, y, w, h in _cascade().detectMultiScale(grey, scale, neighbours)
    ]


@cache
def _cascade() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
    )


def blazeface(bgr: NDArray[np.uint8]) -> list[Rectangle]:
    import mediapipe

    rgb = np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    found = _short_range().detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb)).detections
    boxes = [face.bounding_box for face in found]
    return [(box.origin_x, box.origin_y, box.width, box.height) for box in boxes]


def blazeface_far(bgr: NDArray[np.uint8]) -> list[Rectangle]:
    """Far faces too, as affectstore finds them: where the whole frame shows none, three squares
    of its height are searched, of which each is half covered by the next."""
    height, width = bgr.shape[:2]
    found = blazeface(bgr)
    lefts = () if found else (0, (width - height) // 2, width - height)
    for left in lefts:
        for x, *others in blazeface(bgr[:, left : left + height]):
            found.append((x + left, others[0], others[1], others[2]))
    return found


@cache
def _short_range() -> Any:
    """BlazeFace by MediaPipe's own interface, with its defaults. The model is the file that
    MediaPipe offers for download, which the product ships."""
    from mediapipe.tasks.python import BaseOptions, vision

    model = Path(__file__).parents[1] / "extractors/models/face_detection_short_range.tflite"
    options = vision.FaceDetectorOptions(BaseOptions(model_asset_path=str(model)))
    return vision.FaceDetector.create_from_options(options)


DETECTORS: dict[str, Callable[[NDArray[np.uint8]], list[Rectangle]]] = {
    "haar": partial(haar, scale=1.1, neighbours=3),  # OpenCV's defaults
    "haar-coarse": partial(haar, scale=1.3, neighbours=5),  # as many tutorials have it
    "fast": blazeface,
    "far": blazeface_far,
}


def embedding(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        encoded: NDArray[np.float32] = _resnet50()(torch.from_numpy(crop[None]))[0].numpy()
    return encoded


@cache
def _resnet50() -> Any:
    from extractors.network import build
    from extractors.weights import random_state

    return build(50, random_state(50, 0))


def _begin(threads: int, embed: bool) -> None:
    cv2.setNumThreads(threads)
    if embed:
        import torch

        torch.set_num_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--detector", choices=DETECTORS, default="haar")
    parser.add_argument(
        "--embed",
        action="store_true",
        help="encode the crops with ResNet-50 (seeded weights: they take as long as trained ones)",
    )
    parser.add_argument("--frames", choices=FRAMES, default="opencv")
    parser.add_argument("--map", action="store_true", help="by datasets, without --embed")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    clips = sorted(path for path in args.folder.iterdir() if path.suffix in {".mp4", ".flv"})
    args.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // args.workers)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    begun = time.perf_counter()
    if args.map:
        measure_by_map(clips, args)
    else:
        with multiprocessing.get_context("spawn").Pool(
            args.workers, _begin, (threads, args.embed)
        ) as pool:
            pool.starmap(measure, [(clip, args.out, args) for clip in clips], chunksize=1)
    seconds = time.perf_counter() - begun
    print(
        f"{len(clips)} clips in {seconds:.1f} s, {len(clips) / seconds:.2f} clips/s, start-up "
        "included"
    )


if __name__ == "__main__":
    main()
