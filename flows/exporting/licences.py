"""Under which terms an export may be passed on, and what is not exported without a word."""

from collections.abc import Collection, Mapping

from manifests.corpora.catalog import CORPORA
from manifests.corpora.folder import LICENCE
from manifests.features import FeatureSpec
from stores.exports.source import Source, WrongExport

_SOUND_HZ = 4000
"""What has so many rows a second can be listened to."""


class WithheldError(WrongExport):
    """A corpus's terms do not let what was asked for be passed on; the message says which."""


def own_licence(source: Source, licence: str | None) -> str | None:
    """Finds the terms of the user's own clips.

    Args:
        source: What is exported.
        licence: As the command was given them; None: not given.

    Returns:
        These; else what the column `licence` of labels.csv says of each of the clips; None where it
        says nothing of one.
    """
    own = [clip.clip_id for clip in source.clips if clip.corpus == "folder"]
    said = {
        label.clip_id: label.value
        for clip_id in own
        for label in source.labels.get(clip_id, ())
        if label.scheme == LICENCE
    }
    return licence or ("; ".join(sorted({*said.values()})) if len(said) == len(own) else None)


def terms_of(corpora: Collection[str], licence: str | None = None) -> dict[str, str]:
    """The terms of some corpora.

    Args:
        corpora: Their names.
        licence: The terms of the user's own clips, the corpus `folder`; None: not known.

    Returns:
        Corpus -> its terms in a sentence, with where they are published.
    """
    found = {}
    for name in sorted(corpora):
        corpus = CORPORA[name]
        words = licence if licence and name == "folder" else corpus.licence
        source = f" ({corpus.licence_source})" if corpus.licence_source else ""
        found[name] = f"{words}{source}"
    return found


def check_sharing(
    corpora: Collection[str], specs: Mapping[str, FeatureSpec], licence: str | None
) -> None:
    """Checks that no picture and no sound of a corpus is exported whose terms withhold them.

    Args:
        corpora: The corpora that are exported.
        specs: The features that are.
        licence: The terms of the user's own clips; None: not known.

    Raises:
        WithheldError: One is.
    """
    media = {name: kind for name, spec in specs.items() if (kind := media_kind(spec))}
    withheld = {
        name: CORPORA[name].withheld
        for name in sorted(corpora)
        if CORPORA[name].withheld and not (name == "folder" and licence)
    }
    if not media or not withheld:
        return
    feature, kind = next(iter(media.items()))
    corpus, why = next(iter(withheld.items()))
    own = "say what they are with --licence or in labels.csv, or " if corpus == "folder" else ""
    others = ",".join(name for name in specs if name not in media)
    leave = f"leave it out with --features {others}, " if others else ""
    raise WithheldError(
        f"{feature} holds {kind} of {corpus}, which are not passed on: {why}; {leave}{own}"
        "add --i-have-the-right-to-share, which is recorded in the export"
    )


def media_kind(spec: FeatureSpec) -> str | None:
    """What of a person a feature shows as it was recorded.

    Args:
        spec: The feature.

    Returns:
        `pictures` or `sound`; None for numbers that are derived from them.
    """
    if spec.codec == "jpeg" or (spec.dtype == "uint8" and spec.shape[-1:] == (3,)):
        return "pictures"
    if not spec.shape and spec.hop_s is not None and spec.hop_s * _SOUND_HZ < 1:
        return "sound"
    return None
