"""What a comparison of a store with the files of its corpora prints."""

from typing import TYPE_CHECKING

from flows.view.console import coloured, say

if TYPE_CHECKING:
    from flows.building.media_check import MediaCheck


def print_media_check(check: "MediaCheck") -> None:
    """Prints each clip that is not as its file is, and what was compared.

    Args:
        check: What was found.
    """
    found = check.found
    for what, clips in (("different", found.different), ("missing", found.missing)):
        for clip_id, why in sorted(clips.items()):
            say(coloured("red", f"{clip_id}: {what}: {why}"))
    if check.other_versions:
        then = ", ".join(f"{name} {version}" for name, version in check.other_versions.items())
        say(coloured("yellow", f"the store was built with {then}, so last digits may differ"))
    if found.nearly:
        say(
            coloured(
                "yellow",
                f"{len(found.nearly)} clips differ in last digits, such as {min(found.nearly)}",
            )
        )
    names = ", ".join(check.features) or "no feature"
    say(f"compared: sha256 of the file, facts of its streams, and every value of {names}")
    for name, why in check.left_out.items():
        say(f"not compared: {name}, {why}")
    bad = len(found.different) + len(found.missing)
    say(
        f"media: {found.clips} of {check.of} clips compared: {found.clips - bad} as their files, "
        f"{len(found.different)} different, {len(found.missing)} missing"
    )
