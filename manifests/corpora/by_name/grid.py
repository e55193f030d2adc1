"""GRID: 34 speakers, each with 1,000 sentences of six words by a fixed grammar.

Cooke M. et al. (2006), JASA 120(5): 2421-2424; names: LipNet-PyTorch
(github.com/VIPL-Audio-Visual-Speech-Understanding/LipNet-PyTorch).

    s14/video/mpg_6000/srwt9p
    |                  ||||||
    |                  |||||adverb again, now, please, soon: a n p s
    |                  ||||digit 1 to 9, z for zero
    |                  |||letter, w left out
    |                  ||preposition at by in with: a b i w
    |                  |colour blue green red white: b g r w
    |                  command bin lay place set: b l p s
    speaker s1 to s34; of s21 there are no pictures
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

GRID = NamedCorpus(
    name="grid",
    rule=NamingRule(
        patterns=(
            r"(?P<speaker>s(?:[1-9]|[12][0-9]|3[0-4]))(?:/.*/|[/_-])"
            r"(?P<sentence>[blps][bgrw][abiw][a-vx-z][1-9z][anps])",
        ),
        clip="{speaker}/{sentence}",
        text="{sentence}",
    ),
)
