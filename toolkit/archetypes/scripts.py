"""What the languages of the dumps are made of: function words, syllables, punctuation.

Real text has a few very common short words and a long tail of rare ones. The common ones are
listed here by hand; the tail is built from syllables by ``language``. The result reads as
nonsense, and has the letters, byte lengths, word lengths and marks of its script. The
trade-off: no grammar, so nothing here can teach a model a language.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """One language: its common words, its syllable parts, its marks, and how words are joined.

    ``marks`` are comma, full stop, question mark and exclamation mark. ``size`` is the number
    of words in the vocabulary. ``spaced`` is False where words follow each other without a space.
    """

    name: str
    common: str
    onsets: str
    nuclei: str
    codas: str
    size: int = 4000
    marks: tuple[str, str, str, str] = (",", ".", "?", "!")
    spaced: bool = True


ENGLISH = Script(
    "en",
    "the of and to a in is that for it with as was on be by at this from or are an have not but "
    "which you they we their has had were one all there when can more if no out so what up said "
    "about other into than its time only could new them some these two may then do first any my "
    "now such like our over man me even most made after also did many before must through years "
    "where much your way well down should because each just those people how too little state "
    "good very make world still own see men work long here get both between being under never "
    "day same another know while last might us great old year off come since against go came "
    "right used take three",
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p ph pl pr qu r s sc sh sk sl sm sn sp "
    "st str sw t th tr tw v w y z",
    "a e i o u a e i o ai ea ee ie oa oo ou",
    "- - - b ck d ft g l ll lt m mp n nd ng nk nt p r rd rk rm rn s sh ss st t th x",
    size=8000,
)
FRENCH = Script(
    "fr",
    "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se le ce il "
    "sont avec ont été mais nous cette même elle aussi être fait après tout très où donc déjà à",
    "b bl br c ch cl d dr f fl g gl gr j l m n p pl pr qu r s t tr v",
    "a e i o u é è ê ou oi ai au eu â î ô",
    "- - - l n r s t nt x lle sse tte que ment çon",
)
GERMAN = Script(
    "de",
    "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an "
    "werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über so zum war nur",
    "b bl br d dr f fl g gl gr h k kl kr l m n p pf r s sch schl schw sp st t tr w z",
    "a e i o u ä ö ü ei au eu ie",
    "- ch cht ft g l ll lt m mm n nd ng r rt s ss st t tz ß en er ung",
)
RUSSIAN = Script(
    "ru",
    "и в не на я что он с как это по но они мы она к из у за от так же для вы о бы все его было "
    "только ещё мне уже когда если или нет ни быть даже до при чтобы где есть был надо",
    "б бл в вр г гр д др ж з к кл кр л м н п пл пр р с ск сл см ст стр т тр ф х ц ч ш щ",
    "а е и о у ы я ю ё э",
    "- - - й л н р с ст т ть м к в ния ный ого",
)
GREEK = Script(
    "el",
    "και το να του η της με που την από για είναι τα στο οι τον σε ότι τη στη θα τους δεν των ένα "
    "μια αυτό ως στην όπως αλλά μας μετά πιο κατά ή έχει πως πολύ",
    "β γ δ ζ θ κ κλ κρ λ μ ν ξ π πλ πρ ρ σ στ τ τρ φ χ ψ",
    "α ε η ι ο υ ω ά έ ή ί ό ύ ώ αι ει ου",
    "- - - ν ς ρ μα ση τος",
    marks=(",", ".", ";", "!"),
)
ARABIC = Script(
    "ar",
    "في من على أن إلى هذا التي عن مع كان ما لا هذه الذي بين كل بعد ذلك أو قد كما لم هو هي حتى "
    "إذا ثم عند غير قبل أكثر حيث منذ كانت فقط",
    "ب ت ج ح خ د ر ز س ش ص ط ع غ ف ق ك ل م ن ه و ي",
    "ا و ي - - - ا",
    "- - ب ت د ر س ع ف ق ل م ن ة ين ات",
    marks=("،", ".", "؟", "!"),
)
HINDI = Script(
    "hi",
    "के में की है और से का को पर यह एक ने भी हैं कि नहीं तो इस था कर हो ही गया लिए वह जो थे तक "
    "अपने साथ बाद थी कुछ सकता किया बहुत",
    "क ख ग घ च छ ज ट ड त थ द ध न प फ ब भ म य र ल व श स ह",
    "- ा ि ी ु ू े ै ो",
    "- - - न र ल त क म स",
    marks=(",", "।", "?", "!"),
)
CHINESE = Script(
    "zh",
    "的 是 了 在 不 我 有 他 这 中 人 和 就 也 都 而 及 与 着 或 一个 没有 我们 你 会 要 对 但 "
    "还 很 把 被 从 到 以 为 因 所以 如果 可以",
    "大 小 上 下 天 地 水 火 山 木 金 土 日 月 年 学 生 电 车 机 工 作 文 字 书 语 言 国 家 市 "
    "民 心 手 口 目 力 气 时 间 前 后 东 西 南 北 高 长 新 旧 白 黑 红 青 开 关 出 入 来 去 见 闻",
    "理 法 度 性 化 体 系 统 程 序 数 据 计 算 网 络 信 息 科 技 术 研 究 分 析 方 式 问 题 结 "
    "果 经 济 社 会 政 治 历 史 公 司 产 品 市 场 价 格 服 务 教 育 医 疗 环 境 能 源 交 通 安 全",
    "- - - 者 员 部 门 室 家 学",
    marks=("，", "。", "？", "！"),
    spaced=False,
)
JAPANESE = Script(
    "ja",
    "の に は を た が で て と し れ さ ある いる も する から な こと として い や など この ため "
    "その また よう まで です ます これ それ もの",
    "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に の は ひ ふ ま み む も や ゆ "
    "よ ら り る れ 時 人 日 本 大 学 生 会 社 新 語 国 東 京 車 電 話 手 紙 仕 事 世 界 問 題",
    "かん せい こう しん たい とう り ち き く 間 物 者 力 所 方 性 的 味 気",
    "- - - る い た く ン ス ト",
    marks=("、", "。", "？", "！"),
    spaced=False,
)

SCRIPTS = (ENGLISH, FRENCH, GERMAN, RUSSIAN, GREEK, ARABIC, HINDI, CHINESE, JAPANESE)
LANGUAGES = tuple(script.name for script in SCRIPTS)
EMOJI = "😀 😂 🙏 👍 👎 🎉 🔥 ❤️ 🤔 😢 🚀 ✅ 👩‍💻 🇫🇷 👋🏽 💡".split()  # noqa: SIM905
