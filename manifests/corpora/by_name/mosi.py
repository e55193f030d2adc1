"""CMU-MOSI: opinions in videos of one site.

Zadeh A. et al. (2016), arXiv:1606.06259; videos: CMU-MultimodalSDK, cmu_mosi_std_folds.py
(github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK).

    03bSnISJMiM_11      segment 11 of a video; also 03bSnISJMiM[11], 03bSnISJMiM$_$11,
                        03bSnISJMiM/11; or the video alone

One person speaks in a video; a name says the video and not the person. CMU-MOSEI has clips of the
same form, so only the 93 videos of CMU-MOSI are clips of this corpus.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

SEGMENT = r"(?:(?:_|\$_\$|\[|/)(?P<segment>[0-9]{1,3})\]?)?"
"""The end of a name of CMU-MOSI or CMU-MOSEI."""
_VIDEOS = """
03bSnISJMiM 0h-zjBukYpk 1DmNV9C1hbY 1iG0909rllw 2WGyTLYerpo 2iD-tVS8NPw 5W7Z1C_fDaE 6Egk_28TtTM
6_0THN4chvY 73jzhE8R1TQ 7JsX8y1ysxY 8OtFthrtaJM 8d-gEyoeBzc 8qrpnFRGt2A 9J25DZhivz8 9T9Hf74oK10
9c67fiY0wGQ 9qR7uwkblbs Af8D0E4ZXaw BI97DNYfe5I BXuRRbG0Ugk Bfr499ggo-0 BioHAh1qJAQ BvYR0L6f2Ig
Ci-AH39fi3Y Clx4VXItLTE Dg_0XKD0Mf4 G-xst2euQUc G6GlGvlkxAQ GWuJjcEuzt8 HEsqda8_d0Q I5y0__X72p0
Iu2PFX3z_1s IumbAb8q2dM Jkswaaud0hk LSi-o-IrDMs MLal-t_vJPM Njd1F0vZSm4 Nzq88NnDkEk OQvJTdtJ2H4
OtBXNcAL_lE Oz06ZWiO20M POKffnXeBds PZ-lDQFboO8 QN9ZIUWUXsY Qr1Ca94K55A Sqr0AcuoNnk TvyZBvOMOTc
VCslbP0mgZI VbQk4H8hgr0 Vj1wYRQjB-o W8NXH0Djyww WKA5OygbEKI X3j2zQgwYgE ZAIRrfG22O0 ZUXBRvtny7o
_dI--eQ6qVU aiEXnCPZubE atnd_PF-Lbs bOL9jKpeJRs bvLlb-M3UXU c5xsKMxpXnc c7UH_rxdZv4 cM3Yna7AavY
cW1FSBF59ik cXypl4FnoZo d3_k5Xpfmik d6hH302o4v8 dq3Nf_lMPnE etzxEpPuc6I f9O3YtZ2VfI f_pcplsH_V0
fvVhgmXxadc iiK8YX8oH1E jUzDDGyPkXU k5Y_838nuGo lXPQBPVc5Cw nbWiPyCm4g0 nzpVDcQ0ywM ob23OKe5a9Q
pLTX3ipuDJI phBUpBr1hSo rnaNMUZpvvg tIrG4oNLFzE tStelxIAHjw tmZoasNr4rU v0zCBqDeKcE vvZ4IcEtiZc
vyB00TXsimI wMbj6ajWbic yDtzw_Y-7RU yvsjCA6Y5Fc zhpQhgha_KU
"""

MOSI = NamedCorpus(
    name="mosi",
    rule=NamingRule(
        patterns=(rf"(?P<video>{'|'.join(_VIDEOS.split())}){SEGMENT}",),
        clip="{video}/{segment}",
        site="web",
    ),
)
