"""M3ED: dialogues of 56 Chinese television series.

Zhao J. et al. (2022), ACL, 5699-5710; series: splitInfo (github.com/AIM3-RUC/RUCM3ED); names:
EmoBox 2024, data/m3ed.

    A_huanlesong_14_12.wav      turn 12 of dialogue 14 of a series; A or B speaks, two people who
                                are others in each dialogue; also without that letter
    huanlesong                  a series as a whole, as in the published split

The person behind A or B is in the corpus's table and in no name, so a name says the series and the
dialogue alone.
"""

from manifests.corpora.naming import NamedCorpus, NamingRule

_SERIES = """
anjia banshimitangbanshishang bianchengnidenayitian dahaoshiguang dajiangdahe doutinghao
ershibuhuo fendou fumuaiqing guainiguofenmeili haoxiansheng heyishengxiaomo huanlesong
huijiadeyouhuo humamaoba jiayouernv jiayounishizuibangde jimaofeishangtian jinhun lamazhengzhuan
liujinsuiyue lizhipaishenghuo luohunshidai nihaojiushiguang nishiwodechengchibaolei nishiwodeyan
qihun qinaidereaide renmindemingyi rucikeaidewomen sanshieryi shanhaiqing shaonianpai
waixiangren wanmeiguanxi woju womendexinshidai woshiyuhuanshui xiangjianni xiaobieli xiaohuanxi
xiaoshede xiaozhangfu xiayizhanshixingfu xinlianaishidai xueselangman yijiarenzhiming yipuerzhu
yiqitongguochuang yueguangbianzouqu yujianwanglichuan zhengfu zhengyangmenxia
zhiwomendanchundexiaomeihao zhiwomennuannuandexiaoshiguang zuimeideshiguang
"""

M3ED = NamedCorpus(
    name="m3ed",
    rule=NamingRule(
        patterns=(
            rf"(?:[AB]_)?(?P<clip>(?P<dialogue>(?P<series>{'|'.join(_SERIES.split())})_[0-9]+)"
            r"_[0-9]+)",
            rf"(?P<clip>(?P<series>{'|'.join(_SERIES.split())}))",
        ),
        clip="{clip}",
    ),
)
