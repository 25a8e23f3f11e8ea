//! The patterns behind mentions. All are linear-time regular expressions; none backtracks.

use super::numbers::NUMBER;
use super::spelled;
use regex::Regex;
use std::sync::LazyLock;

/// Word boundaries are those of ASCII: Unicode's would keep the fast automaton from any text with a dash or a quotation
/// mark in it. A word that starts or ends in an accented letter must not lean on one.
fn compile(pattern: &str) -> Regex {
    let whole = pattern
        .replace("NUM", NUMBER)
        .replace("WORD", spelled::WORD)
        .replace("UNIT", UNIT)
        .replace("(?-u:\\b)", "\\b");
    Regex::new(&whole.replace("\\b", "(?-u:\\b)")).expect("the pattern is valid")
}

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident = $text:expr) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Regex> = LazyLock::new(|| compile($text));
    };
}

/// Tokens per second in the spellings of several languages.
const UNIT: &str = concat!(
    r"(?:(?:(?:output|generated|generation|decode|prefill|completion|prompt|input)\s+)?",
    r"(?:tokens?|toks?|tks?|tkn|jetons?|tok[eė]n(?:ów|ů|a|y|i|er|eja|ia|erna)?|токен(?:ов|а|ів|и|у)?|ток|トークン|令牌|词元|토큰)",
    r"(?:\s*/\s*|\s+(?:per|pro|par|por|al|a|in a|each|every|je|na|za|i|в|за|на)\s+|[-‑]per[-‑])",
    r"(?:s(?:ec(?:onds?|s)?|ek(?:unden?|undę|\.)?|econd[eo]|egundo|ekund[aeuęyi]?\w*)?(?-u:\b)|sekundę|saniye|giây|detik|másodperc|с(?:ек(?:унд[уаі])?)?|秒|초)",
    r"|(?-u:\b)t\s?/\s?s(?:ec)?(?-u:\b)|t\.?p\.?s(?-u:\b)|tokens?\s*每秒|toks?ps(?-u:\b))"
);

pattern!(
    /// A rate, or a range of rates, before its unit.
    RATE = concat!(
        r"(?i)(?P<a>(?-u:\b)\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?-u:\b)|NUM)(?P<ak>k\b)?\+?(?:-?ish\b|\s+(?:or so|odd)\b)?(?:\s*(?:±|\+/-|\+-)\s*NUM)?",
        r"(?:\s*(?P<sep>->|=>|→|➜|⇒|[-–—‑−~～〜]|\bto\b|\bbis\b|à|\ba\b|\bal\b|\bhasta\b|至|到|から|\band\b|\by\b|\bet\b|\bund\b|\be\b|\bor\b|\boder\b|\bvs\.?|/)\s*[~≈]?(?P<b>NUM)(?P<bk>k\b)?\+?)?",
        r"\s*(?:个|個)?\s*[\[(]?\s*(?P<unit>UNIT|t/s\b|(?P<minute>tok(?:en)?s?\s*(?:/|per|a|pro|par|por)\s*min(?:ute)?n?\b))"
    )
);
pattern!(
    /// A rate after its unit: `tok/s: 41`.
    RATE_AFTER = r#"(?i)(?:UNIT|\b(?:tg|pp)\s?\d{2,5})\s*[)\]"'”]{0,2}\s*[:=]\s*[~≈]?\s*(?P<a>NUM)(?:\s*[-–]\s*(?P<b>NUM))?"#
);
pattern!(
    /// Chinese, Japanese and Korean: "every second, n tokens".
    RATE_EAST = r"(?i)(?:每秒|毎秒|초당)\s*(?:生成|输出|出力)?\s*(?:约|約|大约|可达|약)?\s*(?P<a>NUM)(?:\s*[-–~～至到]\s*(?P<b>NUM))?\s*(?:个|個)?\s*(?:tokens?|トークン|令牌|词元|토큰)"
);
pattern!(
    /// A rate without its unit, with a remark that only rates have.
    ECHO = r"(?i)(?P<a>NUM)(?:\s*[–-]\s*(?P<b>NUM))?\+?\s*\((?:today|now|currently|single[- ](?:batch|stream|user)|batch(?:ed)?[^)]{0,40}|estimated[^)]{0,30}|expected[^)]{0,30})\)"
);
pattern!(
    /// A rate written in words: "thirty five tokens per second".
    SPELLED = r"(?i)\b(?P<words>WORD(?:[ -]+(?:and[ -]+|point[ -]+)?WORD)*)\s+(?:or so\s+)?(?P<unit>UNIT)"
);
pattern!(
    /// A test of llama.cpp's benchmark, or a phase's short name, with its rate behind it: `pp512 845`, `TG: 88`.
    TESTED_RATE = r"(?i)\b(?:(?P<name>(?:pp|tg)\s?\d{2,5})(?:\s*[:=≈~]\s*|\s+(?:(?:of|at|is)\s+)?)|(?P<short>pp|tg)(?:\s*[:=≈~]\s*|\s+))[~≈]?(?P<a>NUM)(?P<k>k\b)?"
);
pattern!(
    /// Time per token.
    TIME_PER_TOKEN =
        r"(?i)(?P<a>NUM)\s*(?P<unit>ms|milliseconds?|s|sec|seconds?)\s*(?:/|\bper\b|\bpro\b|\bpar\b|\bpor\b)\s*(?:output\s+)?(?:token|tok)\b"
);
pattern!(
    /// The number before a list's connective.
    LIST_TAIL = r"(?i)(?P<n>NUM)\s*(?P<sep>,|/|&|\band\b|\bund\b|\bet\b|\by\b|\bor\b|\bvs\.?)\s*$"
);
pattern!(
    /// llama.cpp's and Unsloth's quantizations.
    QUANT_K = concat!(
        r"(?i)(?-u:\b)(?P<ud>UD[-_ ])?(?P<q>I?Q[1-8])",
        r"(?:[-_ ]?(?P<k>K)(?:[-_ ]?(?P<size>XXS|XS|XL|S|M|L)(?-u:\b)|\s?-\s?(?P<long>Medium|Small|Large)(?-u:\b))?|[-_](?P<n>0|1|NL|XXS|XS|S|M)(?-u:\b))?"
    )
);
pattern!(
    /// Other number formats.
    QUANT_OTHER = concat!(
        r"(?i)(?-u:\b)(?:(?P<mix>(?:MLX[- ])?MXFP4[- ]Q8)|(?P<fp>MXFP4|MXFP8|NVFP4|FP[ -]?4|FP[ -]?8|BF16|bfloat16|FP[ -]?16|F16|float16|FP[ -]?32|F32|half[- ]precision|full[- ]precision)",
        r"|(?P<int>INT[ -]?4|INT[ -]?8|W4A16|W8A8|W4A4)|(?P<awq>AWQ(?:[- ]?INT4)?)|(?P<gptq>GPTQ(?:[- ]?INT4)?)|(?P<bpw>\d(?:\.\d+)?)\s?bpw",
        r"|(?P<bits>[2-68]|16|two|three|four|five|six|eight|vier|acht|quatre|cuatro)\s?[-‑]?\s?bits?)(?-u:\b)"
    )
);
pattern!(
    /// Words for processing the prompt.
    PREFILL = concat!(
        r"(?i)\bProcess:\d|\b(?:pre-?fill(?:ing)?|prompt[- ](?:processing|eval(?:uation)?|speed|ingestion|throughput|rate)",
        r"|pp\s?(?P<n>\d{2,6})|pp\b|S_PP|prompt(?:\s*:|\s+(?:est|is|was|wird|es)\s)|prellenado|prefilling|preenchimento|promptverarbeitung|prompt-verarbeitung|input processing|input)\b",
        r"|\b(?:prompts?|invites?)\b(?:[^.;:,]|\d[.,]\d){0,44}\b(?:read|processed|ingested|digested|evaluated|consumed|parsed|crunched|gelesen|verarbeitet|verwerkt|lus?|traités?|leídos?|procesados?|letti?|elaborati?|elaborad[ao]s?|processad[ao]s?|procesad[ao]s?|przetwarzan\w+|tratad[ao]s?|gelezen)",
        r"|\b(?:reads?|reading|process(?:es|ing)?|ingest(?:s|ing)?|crunch(?:es|ing)?|chew(?:s|ing)? through|liest|verarbeitet|lit|lee|legge)\s+(?:the|a|its|your|my|den|le|el|il|long)?\s*(?:long\s+)?prompts?\b",
        r"|\b(?:lettura|elaborazione|lecture|traitement|lectura|procesamiento|procesando|leitura|processamento)\s+(?:(?:del?|du|des|dos?|della|el)\s+)?prompts?\b",
        r"|\b(?:prompt|input)\s+tokens?\s*(?:per|/)",
        r"|\b(?P<w>prompt)\s+[~≈]?NUM\s*UNIT|UNIT\s+(?P<v>prompt)\b|\bprompt\s*:|prompt\s*处理|提示词?处理|处理\s*prompt|预填充|預填充|プリフィル|提示处理|プロンプト処理|프리필|프롬프트 처리|обработк\w+ промпта|przetwarzani\w+ promptu",
        r"|\bread\s+(?:an?|the)\s+NUM[- ]?k?[- ]tokens?\b|\b(?:reads?|ingests?)\s+(?:it\s+)?(?:in\s+)?at\b|\breading\s+(?:at|it in)\b|\bliest\b|\beinlesen\b|\blee a\b|\blegge a\b|\blit à|\blecture\b"
    )
);
pattern!(
    /// Tests of llama.cpp's own benchmarks.
    BENCH_NAME = r"(?i)^(?:pp|tg)\d{2,6}$|^S_(?:PP|TG)$"
);
pattern!(
    /// Server processors and their memory channels.
    SERVER = r"(?i)\b(?:epyc|xeon|threadripper|\d+[- ]?channels?)\b"
);
pattern!(
    /// Words before a machine that something else is compared with.
    COMPARED = r"(?i)\b(?:than|vs\.?|versus|match(?:es|ing)?|like|against|unlike|beats?|rivals?|compet(?:e|itive|ing) with|approach(?:es|ing)|catch(?:es)? up (?:to|with)|compared (?:to|with)|behind|a second|another|als|que|gegenüber)\s+(?:(?:an?|the|my|its?|old|nvidia(?:['’]s)?|apple(?:['’]s)?|amd(?:['’]s)?|einer?|der|die|das|la|le|une?)\s+)*$"
);
pattern!(
    /// A line that names the engine of what follows.
    ENGINE_LABEL = r"(?i)^[\W_]*(?:engine|backend|runtime|inference engine|framework|runner|server|moteur|motor)\b[^:=\n]{0,20}[:=]"
);
pattern!(
    /// Words for several machines at once.
    PLURAL = r"(?i)\b(?:these (?:systems|machines|boxes|cards)|all three|all of (?:them|these)|across the board|the three)\b"
);
pattern!(
    /// Words of somebody who tells how a test was run.
    TESTED = r"(?i)\b(?:tested|measured|benchmark\w*|ran|using|used|via|setup|results?|engine|backend|mit|avec|con)\b"
);
pattern!(
    /// Words for generating tokens.
    DECODE = r"(?i)\b(?:decod(?:e|es|ing|ed)|generat(?:e|es|ed|ion|ing)|tg\s?\d+|tg|eval (?:rate|time)|S_TG|génération|generowanie|generierung|generación|genera(?:n|ndo|re|ção|zione)?|généré?(?:s|e|es|ent|er)?|generiert|erzeugt|schreibt|writes?|writing|écrit|écriture|escribe|escritura|scrive|scrittura|output speed|token gen)\b|生成|генераци|解码|デコード"
);
pattern!(
    /// A number of streams.
    STREAMS = concat!(
        r"(?i)\b(?P<n>\d{1,4}|two|three|four|five|six|eight|ten|sixteen|zwei|drei|vier|acht|sechs|zehn|sechzehn|deux|trois|quatre|six|huit|dix|seize|dos|tres|cuatro|seis|ocho|diez|dieciséis|quattro|otto|dieci|sedici|quatro|oito|dez|dezesseis)\+?(?:[- ]way)?\s*",
        r"(?P<w>(?:concurrent|parallel|simultaneous|gleichzeitige[nr]?|parallele[nr]?|simultan(?:é|e)e?s?|active|client)\s+)?",
        r"(?:users?|clients?|streams?|requests?|reqs?|prompts?|sessions?|sequences?|agents?|chats|slots|nutzern?|anfragen|utilisateurs|requêtes|usuarios|solicitudes|peticiones|clientes|sesiones|utenti|richieste|usuários|requisições|pedidos|użytkownik\w+|zapyta\w+|gebruikers|verzoeken|aanvragen|sitzungen|clients?)\b",
        r"|(?P<m>\d{1,4})\s*(?:个|個|路)?\s*(?:并发|並列|同時|并行|동시)|(?P<p>\d{1,4})\s*(?:параллельн|одновременн|个用户|个请求|人同时|ユーザー|リクエスト|인\s*동시|명\s*동시)|(?:동시\s*(?:요청|사용자|접속)?|同時(?:リクエスト|接続|実行|ユーザー)?数?|同时)\s*(?P<q>\d{1,4})\s*(?:개|명|人|件|個|个|路)?",
        r"|\ball\s+(?P<t>\d{1,4})\s+(?:are|of (?:them|us)|at once|work|type|chat)\b",
        r"|\b(?P<r>\d{1,4}|two|three|four|five|six|eight|ten|sixteen|twenty|thirty)\s+(?:people|persons?|developers|devs|employees|colleagues|coworkers|testers|students|leute|kollegen|personnes|personas|persone|pessoas)\b[^.;,:]{0,36}\b(?:same time|at once|parallel|simultan\w+|concurrent\w*|gleichzeitig|en même temps|a la vez|contempora\w+|ao mesmo tempo)"
    )
);
pattern!(
    /// A batch size or a concurrency with its number behind it.
    BATCH = r"(?i)\b(?:(?:batch(?:[- ]?size)?\s*(?:of\s+|=|:|-)?\s*|concurrency\s*(?:of\s+|=|:|-)?\s*|bs\s*=?\s*|npl?\s*=\s*|n_parallel\s*=?\s*|[cb]\s*=\s*|batch\s+size\s+of\s+)(?P<n>\d{1,4})\b)|并发\s*[:：]?\s*(?P<m>\d{1,4})"
);
pattern!(
    /// One stream.
    SINGLE = r"(?i)\b(?:single|one|einzeln\w*|ein|un|une)[- ]?(?:user|stream|client|request|batch|prompt|session|sequence|nutzer|utilisateur|usuario)\b|\bone at a time\b|单用户|单路|单并发"
);
pattern!(
    /// Batches without a number.
    BATCHED = r"(?i)\b(?:batch(?:ed|ing)?(?:\s+(?:mode|inference|throughput|processing))?|concurrent(?:ly)?|continuous batching)\b"
);
pattern!(
    /// A rate of all streams together.
    AGGREGATE = r"(?i)\b(?:aggregate[d]?|total|combined|altogether|across|cumulative|insgesamt|gesamt\w*|au total|en total|in totale|throughput|system-wide)\b|合计|总计|总吞吐|合計|합계|총합|суммарно|в сумме|łącznie"
);
pattern!(
    /// A rate of each stream.
    PER_STREAM = r"(?i)\b(?:each|every (?:session|user|client|stream|request|one|chat|agent)|per[- ](?:user|stream|request|client|session|sequence)|apiece|pro nutzer|par utilisateur|por usuario|individually)\b|/\s?(?:user|req(?:uest)?|stream)\b|每用户|每个用户"
);
pattern!(
    /// Speculative decoding.
    SPECULATION = r"(?i)\b(?:speculat(?:ive|ion)\w*|spec[- ]dec(?:ode|oding)?|draft(?:er)?[- ]model|(?:as|with|using|no|without) (?:an? |the )?draft|MTP|EAGLE(?:-?\d)?|Medusa|DFlash|DSpark|lookahead decoding|multi-token prediction|spekulativ\w*)\b|投机|推测解码|投機的"
);
pattern!(
    /// Mean accepted length.
    ACCEPTED = r"(?i)(?:accept(?:ed|ance)(?:\s+tokens?)?\s+length|accepted length|tokens? accepted per (?:pass|step))[^0-9]{0,12}(?P<n>\d(?:\.\d+)?)|(?P<m>\d(?:\.\d+)?)\s+accepted tokens?"
);
pattern!(
    /// Tokens of context.
    CONTEXT = concat!(
        r"(?i)(?P<n>NUM)\s?(?P<k>k)?[- ]?(?:tokens?|tok)?[- ]?(?:of\s+|de\s+|in\s+(?:the\s+)?|im\s+|的)?(?:context|ctx|kontext|contexte|contexto|contesto|depth|上下文|コンテキスト|컨텍스트|контекст\w*|kontekst\w*)",
        r"|\b(?P<deep>NUM)\s?(?P<deepk>k)?(?:[- ]tokens?)?[- ](?:in|deep)\b(?:\s*[.,;:)]|\s+(?:it|i|the|and)\b|$)",
        r"|\b(?:context|ctx|n_ctx|depth|kontext|contexte|contexto)(?:\s+(?:length|size|window|of|was|is|hits|reaches|exceeds|at|grows to))*\s*[=:]?\s*(?P<m>NUM)\s?(?P<mk>k\b)?",
        r"|@\s?d\s?(?P<d>\d+)|(?:@|\bat|\bby|\bafter|\bpast|\bbeyond|\bbei|\bnach|\bab|à|\baprès)\s+(?P<at>\d{1,4})(?P<atk>k)\b|上下文\s*[:：]?\s*(?P<c>\d+)(?P<ck>k)?|@\s?(?P<naught>0)\b|\b(?P<zero>(?:empty|zero|no|fresh|leerem|ohne|sans|sin|senza)\s+(?:context|kontext|contexte|contexto|contesto|ctx))\b"
    )
);
pattern!(
    /// Words that keep the context of the rate before.
    SAME_CONTEXT = r"(?i)\b(?:same|equal|identical|gleiche[mnrs]?|même|mismo|stesso|mesmo)\s+(?:context|ctx|depth|kontext|contexte|contexto|contesto)\b"
);
pattern!(
    /// GPU cores.
    CORES = r"(?i)(?P<or>\b\d{1,3}\s*(?:or|/|and|to|–|-|oder|ou|o)\s*)?\b(?P<n>\d{1,3})[- ]?(?:gpu[- ])?(?:cores?|c|kerne?|cœurs|coeurs|núcleos|rdzeni\w*)\b|\b(?P<m>\d{1,3})\s*(?:コア|核|코어|ядер)"
);
pattern!(
    /// How many cards, without their name.
    CARDS = r"(?i)\b(?P<n>[1-9]|single|one|both|two|dual|three|four|six|eight|zwei|drei|vier|beide|deux|trois|quatre|dos|tres|cuatro)[- ](?:of (?:them|the cards)|(?:linked\s+|such\s+|of the\s+)?(?:cards?|gpus?|systems|machines|boxes|nodes)|karten|cartes|tarjetas|gráficas)\b|\b(?:across|over|on|using) (?P<both>both)\b|\b(?:TP[- =]?|tensor[- ]parallel(?:[- ]size)?\s*(?:of\s*|=|:)?\s*)(?P<tp>[1-8])\b|(?P<alone>[单單]卡)|(?P<twin>[双雙]卡)"
);
pattern!(
    /// Weights held in host memory.
    OFFLOAD = r"(?i)\b(?:offload\w*|spill(?:s|ed|ing|over)?|swap(?:s|ped|ping)|partial(?:ly)? (?:in|on) (?:cpu|ram)|system ram|cpu offload|ausgelagert|teilweise im ram)\b"
);
pattern!(
    /// Web addresses: their numbers are no statements.
    URL = r"(?i)\b(?:https?://|www\.)[^\s<>)\]]+"
);
pattern!(
    /// What makes a rate a denial.
    DENIAL = r"(?i)\b(?:won'?t|won’t|will not|can'?t|can’t|cannot|can not|could(?:n'?t|n’t| not)|never|nobody|no one|doesn'?t|doesn’t|does not|don'?t|don’t|do not|didn'?t|didn’t|did not|isn'?t|is not|aren'?t|not going to|unable to|fails? to|far from|nicht|nie|kein\w*|niemand|jamais|aucun\w*|nunca|nadie|no\s+(?:[\w-]+\s+){1,4}?(?:reach(?:es)?|gets?|does|manages?|hits?|delivers?|comes? (?:close|near))|neither|myth|untrue|(?:not true|false|nonsense|a lie|wrong) that|mythe|mito|märchen)\b|不可能|达不到|ません"
);
pattern!(
    /// What makes a rate a wish, a rule or a thought experiment.
    WISH = r"(?i)\b(?:i need|we need|you need|need at least|needs at least|want|require[sd]?|requirement|target(?:s|ing)?|goal|aim(?:s|ing)?|hop(?:e|ing)|ideally|idealerweise|idéalement|would like|looking for|at least|minimum|threshold|comfortable|(?:people|humans?|you) read|i read at|(?:be|am|i['’]m) (?:happy|fine|satisfied|content|okay?) with|humans? (?:speaks?|talks?|reads?)|anything (?:above|over|below|under)|(?:reading|typing) speed|human reading|if (?:it|you|we|i) (?:could|did|had|get|got)|imagine|suppose|i wish|wish (?:it|my|the)|if (?:the|a|an|my|your|its?) [^,;]{2,40}\b(?:had|were|could)\b|brauche|möchte|besoin|necesito|quiero)\b"
);
pattern!(
    /// Words of expectation.
    MODAL = r"(?i)\b(?:expect(?:ed|s|ing|ation)?|should|will|could|would|may|might|project(?:ed|s|ion|ions)|estimat(?:ed|e|es)|forecast\w*|predict(?:ed|s|ion)?|anticipat\w+|roadmap|soll(?:te|en)?|wird|werden|dürfte|devrait|pourrait|debería|podría|possibly|promis\w+|aims?)\b|预计|将|見込み|予定"
);
pattern!(
    /// Words that make a sentence hold for the whole text.
    UNIVERSAL = r"(?i)\b(?:all|every|everything|each|throughout|unless|always|both|same for|alle[nsr]?|sämtliche|jeweils|immer|tous|toutes|todos|todas|siempre|tutti|tutte|overall)\b|全部|所有|均为|すべて|全て"
);
pattern!(
    /// A rise or fall from one rate to another.
    MOTION = r"(?i)\b(?:go(?:es|ing)?|went|jump(?:s|ed)?|improv\w+|increas\w+|climb\w*|r(?:ise|ose|ises)|drop(?:s|ped)?|fell|falls?|speed\w* up|took|takes|moved?|boost\w*|lift(?:s|ed|ing)?|rais(?:e[sd]?|ing)|bring(?:s|ing)?|brought|push(?:es|ed|ing)?|steigt|stieg|pase|passe|passato|subio|gestiegen|sinkt|fiel|passe|sube|from)\b|\b(?:pass?é|subió)"
);
pattern!(
    /// The unit alone, as column headers and captions write it.
    UNIT_ONLY = r"(?i)UNIT|\btokens per second\b|\btok/s\b|\btok(?:en)?s?[_ ](?:per[_ ])?s(?:ec(?:ond)?)?\b|^avg[_ ]ts$"
);
pattern!(
    /// Column headers and row labels of rates without a unit.
    RATE_LABEL = r"(?i)\b(?:speed|throughput|decode|generation|prefill|pp\s?\d+|tg\s?\d+|tps|geschwindigkeit|vitesse|velocidad|rate)\b|velocità|速度|吞吐"
);
pattern!(
    /// Column headers and row labels of what is no rate. Its words are short: Unicode's boundaries keep them out of longer
    /// ones such as "Gerät".
    OTHER_LABEL = r"(?i)\<(?:ttft|latency|ms|watts?|power|w|tdp|price|cost|msrp|usd|eur|memory|ram|vram|gi?b|gb/s|size|params|ngl|threads|n_kv|n_ubatch|n_batch|fa|mmap|time|t_pp|t_tg|t|s|score|quality|ppl|perplexity|temp|date|released?|bandwidth|efficiency|noise|cores?|preis|prix|precio|speicher|ppd|%|id|notes?|url|source|first token|seconds?|stdev|±|ngen)\>|[$€£]|价格|显存|内存|功耗|首字"
);
pattern!(
    /// Column headers of prompt rates.
    PROMPT_LABEL = r"(?i)\b(?:prompt|input|in|pp|eingabe|entrée|entrada)\b"
);
pattern!(
    /// Sentences that begin with the circumstances of all their rates.
    FRAMED = r"(?i)^[\W_]*(?:with|at|for|under|bei|mit|avec|con|a)\b|^[\W_]*à\s"
);
pattern!(
    /// Weights as their maker released them.
    STOCK = r"(?i)\b(?:stock|original|official|unmodified)\s+(?:\w+\s+)?(?:checkpoint|weights)\b"
);
pattern!(
    /// Column headers of remarks.
    NOTES_LABEL = r"(?i)^(?:notes?|remarks?|comments?|details|bemerkung(?:en)?|remarques?|notas|备注)$"
);
pattern!(
    /// Column headers of the number of streams.
    STREAMS_LABEL = r"(?i)^(?:(?:max(?:imum)?[ _])?(?:request[ _])?concurren\w*(?:[ _](?:users|requests|level))?|batch(?:[ _-]?size)?|(?:#|no\.?|number of|parallel|simultaneous|concurrent|active)?\s*(?:users|streams|clients|requests|sessions)(?: in flight)?|in[- ]flight(?: requests)?|parallel\w*|b|c|n_parallel|bs|并发数?|num[_ ]?(?:users|concurrent|streams|seqs|parallel)(?:[ _]requests)?|n[_ ]?seqs?|pl)$"
);
pattern!(
    /// Column headers of the context.
    CONTEXT_LABEL = r"(?i)^(?:context(?:[ _](?:length|depth|size|tok(?:ens?)?))?|ctx(?:[ _](?:length|size|tok(?:ens?)?))?|n_ctx|depth|n_depth|prompt(?:[ _](?:tokens?|len(?:gth)?))?|input[ _](?:tokens?|len(?:gth)?)|isl|seq[ _]?len|n_prompt|pp|kontext|上下文(?:长度)?)$"
);
pattern!(
    /// A table cell that is one number or range.
    CELL = r"(?i)^[~≈<>*`\s]*(?P<a>\d{1,3}(?: \d{3})+(?:[.,]\d+)?|NUM)(?P<ak>k)?\+?(?:\s*[-–—~]\s*(?P<b>NUM))?(?:\s*(?:±|\+/-|\+-)\s*NUM)?[*`\s†‡]*(?:\([^)]{0,24}\))?$"
);
pattern!(
    /// A format that states its width, before a width in bits.
    WIDE_FORMAT_BEFORE = r"(?i)\b(?:AWQ|GPTQ|INT-?[48]|NVFP4|MXFP4|FP[48])\s*(?:[(,]\s*|(?:de|in|en|with|mit)\s+)?$"
);
pattern!(
    /// The same behind it.
    WIDE_FORMAT_AFTER = r"(?i)^\s*(?:[(,]\s*)?(?:AWQ|GPTQ|INT-?[48]|NVFP4|MXFP4|FP[48])\b"
);
pattern!(
    /// Words behind a model that drafts for another.
    DRAFT_AFTER = r"(?i)^(?:[-\s]+(?:instruct|it|q\d\w*))*\s*(?:as\s+(?:an?\s+|the\s+)?|als\s+|en tant que\s+|como\s+)?(?:draft(?:er|ing)?|speculator|entwurfsmodell)\b"
);
pattern!(
    /// Words before one.
    DRAFT_BEFORE = r"(?i)\b(?:draft(?:er)?(?:\s+model)?|entwurfsmodell)\s*(?:[:=(]|is|was|being)\s*$|\bdrafted by\s+(?:an?\s+)?$"
);
pattern!(
    /// Time per token as a label: `TPOT: 19 ms`, "time per token was 31 ms".
    TOKEN_TIME =
        r"(?i)\b(?:time per (?:output )?token|tpot|inter-token latency|itl|per-token latency|latency per token)\b[^.;\n]{0,80}?\s(?:was|is|of|at|averag(?:es|ed)|about|around)?\s*[=:~≈]?\s*(?P<a>NUM)\s?(?P<unit>ms|milliseconds?)\b"
);
pattern!(
    /// A number behind a verb that rates stand behind, without a unit.
    BARE = r"(?i)\b(?:does|gets?|got|manage[sd]?|produce[sd]?|reache[sd]|hits?|deliver(?:s|ed)?|achieve[sd]?|post(?:s|ed)|score[sd]?|clock(?:s|ed)(?: in at)?|did|it['’]s|(?:drop(?:s|ped)?|f[ae]lls?|rises?|rose|jump(?:s|ed)?|climb(?:s|ed)?) to|(?:runs?|ran|sits?) at|(?:first|second|third|another) run|kommt auf|kam auf|schafft|schaffte|erreicht|erreichte|liefert|lieferte|atteint|alcanza|alcanzó|raggiunge|llega a|arriva a|contre|versus|against|gegenüber|gegen|statt|instead of|rather than|frente a|contra|contro|compared (?:to|with)|up from|down from|anstelle von)\s+(?:only\s+|just\s+|about\s+|around\s+|roughly\s+|nearly\s+|almost\s+|a mere\s+|rund\s+|etwa\s+|nur\s+|environ\s+|unos\s+|circa\s+)?[~≈]?(?P<a>NUM)"
);
pattern!(
    /// What may follow such a number.
    BARE_END = r"(?i)^(?:\s*$|\s*[.,;:!)](?:\s|$)|\s+(?:and|with|on|for|in|at|when|while|but|using|under|sous|bajo|sotto|unter|through|via|und|mit|bei|auf|et|avec|sur|con|en|y|e|su)\b)"
);
pattern!(
    /// Rates that count the prompt's tokens as well, or are peaks of a moment.
    NO_RATE_LABEL = r"(?i)\b(?:total token throughput|peak output token throughput|total tokens? \(|input ?\+ ?output|pp ?\+ ?tg|tg ?\+ ?pp)"
);
pattern!(
    /// Words of replacing one machine by another.
    REPLACED = r"(?i)\b(?:replac(?:ed|ing)|upgrad(?:ed|ing)|swapp(?:ed|ing)|mov(?:ed|ing) from|switch(?:ed|ing)|went from|trad(?:ed|ing)|remplacé|passé d|ersetzt|getauscht|gewechselt|cambié|cambiato|sostituito|sustituí|reemplacé|troquei)"
);
pattern!(
    /// The replaced one.
    OLD_ONE = r"(?i)\b(?:old|previous|former)\s+(?:one|card|gpu|box|machine|mac|laptop|setup|rig|system)\b|\b(?:l['’]|la\s+|le\s+|die\s+|der\s+|das\s+|el\s+|a\s+)(?:ancien(?:ne)?|alte|vorherige|vieja|antigua|anterior|vecchia|antiga)\b"
);
pattern!(
    /// The one that replaces it.
    NEW_ONE = r"(?i)\bnew\s+(?:one|card|gpu|box|machine|mac|laptop|setup|rig|system)\b|\b(?:la|le|die|der|das|el|a)\s+(?:nouvelle|nouveau|neue|nueva|nuova|nova)\b"
);
pattern!(
    /// How a reply denies what it answers.
    REBUFF = r"(?i)^[\W_]*(?:no|not|nope|wrong|false|nonsense|bs|bullshit|never|nein|non|falsch|faux|falso)\b"
);
pattern!(
    /// Work of the host alone.
    HOST_ONLY = r"(?i)\b(?:cpu|host)[- ](?:only|alone|inference)\b|\b(?:pure|only(?: on)?(?: the)?|just the|nur die) cpu\b|\bno (?:card|gpu)\b"
);
pattern!(
    /// A prompt with its length.
    PROMPT_OF = r"(?i)\b(?:prompts?|invites?)\s+(?:of|with|de|von|mit|di)\s+(?P<n>\d{1,3}(?: \d{3})+|NUM)\s?(?P<k>k)?\s*(?:tokens?|jetons?)\b|\b(?P<m>NUM)(?:\s?(?P<mk>k)[- ]?(?:tokens?[- ])?|[- ]tokens?[- ])(?:long[- ])?(?:prompts?|input|document|file|article|paper)\b"
);
pattern!(
    /// A machine by its maker alone, named before.
    MAKER = r"(?i)\b(?:the|my|our|der|le|el|il)\s+(?P<name>mac(?:book)?|apple|nvidia|amd|intel)(?:\s+(?:box|machine|card|gpu|system|laptop|chip))?\b"
);
pattern!(
    /// Models and services that run on others' machines.
    HOSTED = r"(?i)\b(?:gpt-?[345]o?|hosted|endpoint|(?:through|via|over|from) (?:the|their|an?) api|claude|gemini|grok|openrouter|groq|cerebras|in the cloud|cloud api|hosted api)\b"
);
pattern!(
    /// A question without its mark.
    ASKS = r"(?i)[?？]\s*$|\b(?:what|how) about\b|\bwie sieht\b"
);
pattern!(
    /// A number or range that ends a clause.
    PLAIN = r"(?i)[~≈]?(?P<a>NUM)(?P<ak>k)?(?:\s*[-–—]\s*(?P<b>NUM)|\s*/\s*(?P<c>NUM))?\s*(?:[,;|)(]|$)"
);
pattern!(
    /// Column headers of llama-bench's exports: tokens of the prompt, tokens generated.
    BENCH_COLUMN = r"^n_(?:(?P<prompt>prompt)|gen)$"
);
pattern!(
    /// Column headers of a machine's memory.
    MEMORY_LABEL = r"(?i)^(?:v?ram|gpu[ _]memory|unified[ _]memory|memory|mem|speicher|mémoire)(?:[ _(\[]*g[io]?b?[)\]]?)?$"
);
pattern!(
    /// Column headers of the number of devices.
    DEVICES_LABEL = r"(?i)^(?:(?:num|n|no\.?|number of|#)?[ _]?(?:gpus|devices|cards|accelerators)(?:[ _](?:count|used))?|(?:num|n)[ _]gpu|(?:gpu|device|card|hardware|machine)[ _]count|tp(?:[ _]size)?|tensor[ _]parallel(?:[ _]size)?|count|qty)$"
);
pattern!(
    /// Column headers of speculative decoding.
    DRAFT_LABEL = r"(?i)^(?:spec(?:ulat(?:ive|ion))?(?:[ _-]dec(?:oding)?|[ _]model)?|draft(?:[ _](?:model|tokens))?|mtp)$"
);
pattern!(
    /// Column headers of the weights' width.
    BITS_LABEL = r"(?i)^(?:quant[ _])?bits$"
);
pattern!(
    /// Column headers of a number whose meaning stands elsewhere in the row.
    VALUE_LABEL = r"(?i)^(?:value|val|mean|avg|average|median|result|measured|wert|p50)$"
);
pattern!(
    /// Column headers of how far rates scatter.
    SPREAD_LABEL = r"(?i)\b(?:std(?:dev|ev)?|stddev|sd|stdev|variance|error|err|ci|min|p\d\d)\b"
);
pattern!(
    /// Memory that belongs to a machine named before.
    MEMORY = r"(?i)\b(?P<n>\d{1,4})\s?(?:GB|GiB|Go)\s+(?:of\s+|de\s+)?(?:unified|shared|lpddr5x?|m[ée]moire unifi|gemeinsam)"
);
pattern!(
    /// A caption of pairs: one rate of the prompt, then one of generation.
    PAIR_CAPTION = r"(?i)\b(?:pp|prompt(?:[ -]processing)?|prefill|input)(?:\s?\d{2,5})?(?:\s+tok/s|\s+t/s)?\s*[/|&→,+]\s*(?:tg|token gen\w*|gen(?:eration|erate)?|decode|eval|output)\b"
);
pattern!(
    /// The reverse order.
    PAIR_REVERSED = r"(?i)\b(?:tg|gen(?:eration)?|decode|output)(?:\s?\d{2,5})?\s*[/|&,]\s*(?:pp|prompt(?:[ -]processing)?|prefill|input)\b"
);
pattern!(
    /// What is supposed against the facts.
    HYPOTHETICAL = r"(?i)\bif\b[^.;]{0,60}\b(?:had|were|could)\b[^.;]*\bwould\b"
);
pattern!(
    /// A sentence that speaks of the figures before it.
    BACKWARD = r"(?i)^[\W_]*(?:that['’]?s|that (?:is|was)|this (?:is|was)|these (?:are|were)|it['’]s|it was|those (?:are|were)|with|all|both|tested|measured|using|at|settings?|setup|config\w*|context|ctx|conditions?|das (?:war|ist)|alles|gemessen|kontext|c['’]?était|mesuré|eso|medido|contexto|contesto)\b|^\s*[(（\[]"
);
pattern!(
    /// A question that is asked of a statement: "…, is that normal?"
    TAG_QUESTION = r"(?i)[,.;–—(-]\s*(?:and\s+|but\s+|so\s+)?(?:is|isn|are|am|does|do|did|right|ok|okay|correct|normal|or|what|how|why|anyone|any|can|could|should|did|have|thoughts|no|ist|oder|stimmt|normal|c['’]?est|non|es|verdad|vero|é)\b[^?？]*[?？]\s*$"
);
pattern!(
    /// How questions begin.
    QUESTION = r"(?i)^[\W_]*(?:is|are|am|does|do|did|can|could|would|should|will|has|have|had|what|which|how|why|who|when|where|anyone|anybody|any|ist|sind|kann|hat|schafft|wie|was|warum|welche\w*|est-ce|qui|que|quel\w*|combien|pourquoi|cuánto\w*|qué|quanto|quanti|come|perché|so (?:is|does|do|can))\b"
);
pattern!(
    /// Words behind an engine that is not used.
    ENGINE_OFF = r"(?i)^\s*(?:backend\s+|engine\s+|runtime\s+)?(?:=\s*|is\s+|was\s+)?(?:off|disabled|not used)\b"
);
pattern!(
    /// Words behind the name of an engine's part.
    ENGINE_PART = r"(?i)^\s*(?:backend|engine|runtime|format|build|version|weights|quant\w*|model|files?)\b"
);
pattern!(
    /// Seconds for a number of tokens: "takes 25 seconds to write 50 tokens", "300 tokens in 12 s".
    TOKENS_TIME = concat!(
        r"(?i)(?P<s>NUM)\s?(?:s|secs?|seconds?|sekunden|secondes|segundos|secondi)\s+(?:to (?:write|generate|produce|output|emit|print|type|answer with|read|process)|for|für|pour|para|per)\s+(?:all\s+|the\s+|a\s+)?(?P<n>NUM)[ -]tokens?\b",
        r"|(?P<m>NUM)[- ]tokens?\s+(?:[\w-]+\s+){0,2}?(?:in|en|dans)\s+(?:about\s+|around\s+|roughly\s+|just\s+|only\s+|etwa\s+)?(?P<t>NUM)\s?(?:s|secs?|seconds?|sekunden|secondes|segundos|secondi)\b"
    )
);
pattern!(
    /// Words behind speculation that is not used.
    SPECULATION_OFF = r"(?i)^[\s=:(,]*(?:is\s+|was\s+|turned\s+|switched\s+|set to\s+|explicitly\s+)?(?:off|disabled|aus|ruled out|excluded|not used|désactivé|desactivad\w+|false|0\b)"
);
pattern!(
    /// The machine named last.
    SAME_MACHINE = r"(?i)\b(?:(?:the\s+)?same|this|that|dieselbe|derselben?|gleichen?|même|misma?o?|stess[ao]|mesm[ao])\s+(?:card|gpu|machine|box|mac|hardware|setup|rig|system|laptop|server|pi|karte|rechner|maschine|carte|machine|tarjeta|equipo|máquina|scheda|macchina|placa)\b"
);
pattern!(
    /// The model named last.
    SAME_MODEL = r"(?i)\b(?:same|dasselbe|gleichen?|demselben|même|mismo|stesso|mesmo|tym samym)\s+(?:model|modell|modèle|modelo|modello|modelem|weights|file|quant)\b"
);
pattern!(
    /// The smaller one of two models that were named.
    SMALL_MODEL = r"(?i)\b(?:small(?:er)?|little|lighter|kleine(?:re|ren|s|n)?|petit|pequeño|pequeno|piccolo)\s+(?:one\b|model|modell|modèle|modelo|modello)|\b(?:modell?o|modèle)\s+(?:più\s+|plus\s+|más\s+|mais\s+)?(?:piccolo|petit|pequeño|pequeno)\b"
);
pattern!(
    /// The larger one.
    BIG_MODEL = r"(?i)\b(?:big(?:ger)?|larg(?:er|e)|great|große?(?:re|ren|s|n)?|gros|grande?)\s+(?:one\b|model|modell|modèle|modelo|modello)|\b(?:modell?o|modèle)\s+(?:più\s+|plus\s+|más\s+|mais\s+)?(?:grande|gros|grand)\b"
);
pattern!(
    /// A further rate without a unit in a list: "186 tokens a second with the 8B and 108 with the 14B".
    BARE_AND = r"(?i)(?:\b(?:and|und|et|y|e|or|then)\s+|,\s+)(?:about\s+|around\s+|only\s+|just\s+|nur\s+|etwa\s+)?[~≈]?(?P<a>NUM)\s+(?:with|on|using|under|for|via|mit|auf|unter|für|avec|sur|sous|pour|con|su|sulla|sul|com|na|no)\b"
);
pattern!(
    /// A figure that the text takes back.
    RETRACTED = r"(?i)\b(?P<n>NUM)\s*(?:UNIT\s*)?(?:was|were|is)\s+(?:just\s+)?(?:wrong|a typo|a mistake|incorrect|an error|bogus)\b"
);
pattern!(
    /// Words for a plain run beside one with speculation.
    UNAIDED = r"(?i)\b(?:without|w/o|ohne|sans|sin|senza|sem|off|disabled|plain|baseline|vanilla|normal(?:ly)?)\b"
);
pattern!(
    /// A sentence that takes back the one before it.
    SLIP = r"(?i)^[\W_]*(?:but\s+)?(?:that|this|it|which|das|c['’]|eso)\s*(?:['’]?s|is|was|were|ist|war|est|es)?\s*(?:just\s+)?(?:an?\s+|ein\s+|une\s+|un\s+)?(?:slip|typo|mistake|error|wrong|incorrect|not right|nonsense|bogus|fehler|falsch|faux|erreur)\b|^[\W_]*(?:that|this) (?:can['’]?t|cannot) be (?:right|true)"
);
pattern!(
    /// A statement that its speaker ends like a question.
    DECLARED = r"(?i)^[\W_]*(?:\w+:\s*)?(?:then\s+|and\s+|so\s+|well,?\s+|yeah,?\s+)*(?:i|we|it|my|mine|ours)\b[^?]*\b(?:was|were|got|tried|ran|had|saw|measured|getting)\b"
);
pattern!(
    /// Words before how many prompts or runs an average is of.
    AVERAGED = r"(?i)\b(?:average|averaged|mean|median|best|out|each)\s+(?:of|over|across)\s+$|\b(?:averaged over|after)\s+$"
);
pattern!(
    /// What turns a denial into what happens instead.
    INSTEAD = r"(?i)\b(?:but|and|so|aber|sondern|mais|pero)\s+(?:(?:it|only|still|instead|then)\s+)*(?:drop|f[ae]ll|manage|get|got|run|ran|slow|crawl|settle|do|did)"
);
pattern!(
    /// Column headers of a machine's GPU cores.
    CORES_LABEL = r"(?i)^(?:gpu[ _-]?)?(?:cores?|kerne|cœurs|núcleos)$"
);
pattern!(
    /// Work that is no inference of a language model's text.
    OTHER_WORK = r"(?i)\b(?:embed(?:s|ded|ding|dings)?|fine-?tun\w*|trained|training|pre-?train\w*|rate limit\w*|limited to|quota|tokenizer|rerank\w*)\b"
);
pattern!(
    /// Words before a context that could be held, not that was.
    CAPACITY = r"(?i)\b(?:fits?|fitting|supports?|room for|max(?:imum)?|enough for|capable of)\b[^.;:]{0,16}$"
);
