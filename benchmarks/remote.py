"""Reading a store behind a URL against the same store in a folder: `python -m benchmarks.remote
FOLDER`.

The store of `benchmarks.read` lies in a folder and on an S3 server, a process of this machine
unless `--url` names another. Told are the time to open it and to fetch all of it with a cold cache,
and then, in turns, what a random clip takes: both ways map a local file.
"""

import argparse
import os
import secrets
import time
from contextlib import ExitStack
from pathlib import Path

import boto3

from benchmarks.read import SHAPES, Read, _taken, clip_ids, compare, write_store
from stores import FeatureStore
from stores.atomic import files_below
from tests.support.object_store import s3_server, settings


def of(root: str | Path) -> Read:
    store = FeatureStore(root)
    return lambda clip_id: _taken(store[name][clip_id] for name in SHAPES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new folder; takes 1.3 MB for each clip")
    parser.add_argument(
        "--url",
        help="where the store is to be copied to, such as s3://bucket/trial; AWS_ENDPOINT_URL and "
        "so on as set",
    )
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    ids = clip_ids(args.clips)
    args.folder.mkdir(parents=True)
    write_store(args.folder / "store", ids)
    os.environ["AFFECTSTORE_CACHE"] = str(args.folder / "cache")
    with ExitStack() as stack:
        if args.url is None:
            port = stack.enter_context(s3_server(args.folder))
            os.environ |= settings(f"http://127.0.0.1:{port}", args.folder / "cache")
            boto3.client("s3").create_bucket(Bucket="benchmark")
        url = args.url or f"s3://benchmark/{secrets.token_hex(4)}"
        upload(args.folder / "store", url)
        run(args.folder / "store", url, ids, args.rounds)


def upload(folder: Path, url: str) -> None:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    for path in files_below(folder):
        client.upload_file(path, bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")


def run(folder: Path, url: str, ids: list[str], rounds: int) -> None:
    begun = time.perf_counter()
    far = of(url)
    opened = time.perf_counter()
    size = sum(far(clip_id) for clip_id in ids)
    fetched = time.perf_counter()
    print(
        f"cold cache: opened in {opened - begun:.2f} s, then {len(ids)} clips, {size / 1e6:.0f} "
        f"MB, in {fetched - opened:.2f} s"
    )
    begun = time.perf_counter()
    again = of(url)
    again(ids[0])
    print(f"warm cache: opened, and one clip read, in {time.perf_counter() - begun:.2f} s\n")
    compare({"folder": of(folder), "behind a URL": again}, ids, rounds)


if __name__ == "__main__":
    main()
