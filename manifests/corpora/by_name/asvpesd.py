"""ASVP-ESD: speech and other sounds of people, from the web, films and shows.

Dejoli T. T. L. et al. (2020), doi:10.34740/kaggle/dsv/1751258; names: EmoBox 2024, data/asvpesd.

    actor_41/03-02-03-01-06-41-02-01-02-13.wav
             |  |  |  |  |  |  age, source, language, and what else was marked
             |  |  |  |  |  actor; even numbers are men, odd numbers women
             |  |  |  |  statement
             |  |  |  intensity
             |  |  emotion 01 to 13
             |  channel 01 speech, 02 other sounds
             modality 03, sound

A RAVDESS name has seven numbers, one of this corpus eight or more.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

ASVPESD = NamedCorpus(
    name="asvpesd",
    rule=NamingRule(
        patterns=(
            r"(?P<clip>03-0[12]-[01][0-9]-[0-9]{2,3}-[0-9]{1,3}-(?P<speaker>[0-9]{2,3})"
            r"(?:-[0-9]{1,4}){2,6}(?: ?-[0-9]{2})?)",
        ),
        clip="{clip}",
    ),
)
