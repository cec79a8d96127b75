package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// tokenClass is what transformers knows about a tokenizer_class in addition to its files.
type tokenClass struct {
	build        func(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error)
	tokens       map[string]string // special tokens that the files need not name
	single, pair string            // what stands around the texts A and B: names of special tokens, with a type id after a colon
	maskLStrip   bool              // a mask takes the space before it
	addBOS       *bool             // add_bos_token, unless the configuration says otherwise; nil: the class does not look at it
	prepare      func(c *tokenizerConfig, opts *classOptions)
	// Of classes whose texts are in a language: the one without src_lang, what its token has around it, and that the token stands before the text.
	language, around string
	languageFirst    bool
}

// classOptions are the settings of tokenizer_config.json that matter without a tokenizer.json.
type classOptions struct {
	LowerCase      *bool `json:"do_lower_case"`
	StripAccents   *bool `json:"strip_accents"`
	Chinese        *bool `json:"tokenize_chinese_chars"`
	BasicTokenize  *bool `json:"do_basic_tokenize"`
	AddPrefixSpace *bool `json:"add_prefix_space"`
	TrimOffsets    *bool `json:"trim_offsets"`
	ExtraIDs       *int  `json:"extra_ids"` // of T5
	Offset         *int  `json:"offset"`    // of Pegasus
	Legacy         *bool `json:"legacy"`    // of SentencePiece: text after an added token begins like a new one
	SeparateVocabs bool  `json:"separate_vocabs"`
	SplitByPunct   bool  `json:"split_by_punct"` // of DeBERTa
	KeepAccents    bool  `json:"keep_accents"`   // of ALBERT
	RemoveSpace    *bool `json:"remove_space"`
	// Of mBART, NLLB and M2M-100: the languages of texts and of targets; that they stand at the end, as NLLB once had it; and which languages
	// M2M-100 has.
	SourceLanguage  string `json:"src_lang"`
	TargetLanguage  string `json:"tgt_lang"`
	LegacyBehaviour bool   `json:"legacy_behaviour"`
	LanguageCodes   string `json:"language_codes"`
	layout          spmLayout
	language        bool // a text may begin with >>xx<<
	trim            bool // decoded texts have no white space at their ends
}

var (
	bertTokens    = map[string]string{"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
	robertaTokens = map[string]string{"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>"}
	t5Tokens      = map[string]string{"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
	m2m100Tokens  = map[string]string{"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>"}
	mpnetTokens   = map[string]string{"bos": "<s>", "eos": "</s>", "unk": "[UNK]", "sep": "</s>", "pad": "<pad>", "cls": "<s>", "mask": "<mask>"}
	debertaTokens = map[string]string{"bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
	albertTokens  = map[string]string{"bos": "[CLS]", "eos": "[SEP]", "unk": "<unk>", "sep": "[SEP]", "pad": "<pad>", "cls": "[CLS]", "mask": "[MASK]"}
)

// tokenClasses are the classes that are known without a tokenizer.json.
var tokenClasses map[string]*tokenClass

func init() {
	bert := &tokenClass{build: buildWordPiece, tokens: bertTokens, single: "cls A sep", pair: "cls A sep B:1 sep:1"}
	roberta := &tokenClass{build: buildByteLevel, tokens: robertaTokens, single: "cls A sep", pair: "cls A sep sep B sep", maskLStrip: true}
	xlmRoberta := *roberta
	xlmRoberta.build, xlmRoberta.prepare = buildSPM, prepareXLMRoberta
	mbart := xlmRoberta
	mbart.prepare, mbart.language = prepareMBart, "en_XX"
	mbart50, nllb := mbart, mbart
	mbart50.prepare, mbart50.languageFirst = prepareMBart50, true
	nllb.prepare, nllb.language, nllb.languageFirst = prepareNLLB, "eng_Latn", true
	camembert := xlmRoberta
	camembert.prepare = prepareCamembert
	mpnet, deberta, albert := *roberta, *bert, *bert
	mpnet.build, mpnet.tokens = buildMPNet, mpnetTokens
	deberta.build, deberta.tokens = buildDebertaV2, debertaTokens
	albert.build, albert.tokens, albert.maskLStrip = buildAlbert, albertTokens, true
	pegasusTokens := map[string]string{"eos": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask_2>"}
	gptEnd, yes, no := "<|endoftext|>", true, false
	tokenClasses = map[string]*tokenClass{
		"BertTokenizer": bert, "DistilBertTokenizer": bert, "ElectraTokenizer": bert, "MobileBertTokenizer": bert,
		"RobertaTokenizer": roberta, "BartTokenizer": roberta, "LongformerTokenizer": roberta, "LEDTokenizer": roberta,
		"GPT2Tokenizer":       {build: buildByteLevel, tokens: map[string]string{"bos": gptEnd, "eos": gptEnd, "unk": gptEnd}, addBOS: &no},
		"Qwen2Tokenizer":      {build: buildQwen2, tokens: map[string]string{"eos": gptEnd, "pad": gptEnd, "unk": gptEnd}},
		"XLMRobertaTokenizer": &xlmRoberta, "CamembertTokenizer": &camembert,
		"MBartTokenizer": &mbart, "MBart50Tokenizer": &mbart50, "NllbTokenizer": &nllb,
		"M2M100Tokenizer": {build: buildM2M100, tokens: m2m100Tokens, single: "src A eos", language: "en", around: "__", languageFirst: true},
		"MPNetTokenizer":  &mpnet, "DebertaV2Tokenizer": &deberta, "AlbertTokenizer": &albert,
		"T5Tokenizer":      {build: buildSPM, tokens: t5Tokens, single: "A eos", pair: "A eos B eos", prepare: prepareT5},
		"PegasusTokenizer": {build: buildSPM, tokens: pegasusTokens, single: "A eos", pair: "A B eos", prepare: preparePegasus},
		"MarianTokenizer":  {build: buildMarian, tokens: t5Tokens, single: "A eos", pair: "A B eos", prepare: prepareMarian},
		"LlamaTokenizer":   {build: buildSPM, tokens: map[string]string{"bos": "<s>", "eos": "</s>", "unk": "<unk>"}, addBOS: &yes},
		"GemmaTokenizer": {build: buildSPM, addBOS: &yes,
			tokens: map[string]string{"bos": "<bos>", "eos": "<eos>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}},
	}
}

// modelClasses are the classes of the model types that have one of their own.
var modelClasses = map[string]string{
	"bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer", "mobilebert": "MobileBertTokenizer",
	"roberta": "RobertaTokenizer", "bart": "BartTokenizer", "longformer": "LongformerTokenizer", "led": "LEDTokenizer",
	"gpt2": "GPT2Tokenizer", "xlm-roberta": "XLMRobertaTokenizer", "camembert": "CamembertTokenizer", "t5": "T5Tokenizer", "mt5": "T5Tokenizer",
	"pegasus": "PegasusTokenizer", "marian": "MarianTokenizer", "llama": "LlamaTokenizer", "mistral": "LlamaTokenizer",
	"mixtral": "LlamaTokenizer", "phi3": "LlamaTokenizer", "gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer", "gemma3": "GemmaTokenizer",
	"gemma3_text": "GemmaTokenizer", "qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer", "qwen2_moe": "Qwen2Tokenizer", "qwen3_moe": "Qwen2Tokenizer",
	"mbart": "MBartTokenizer", "m2m_100": "M2M100Tokenizer", "mpnet": "MPNetTokenizer", "deberta-v2": "DebertaV2Tokenizer", "albert": "AlbertTokenizer",
}

// setDefaults fills in what the configuration leaves out.
func (class *tokenClass) setDefaults(c *tokenizerConfig, opts *classOptions) {
	for name, p := range map[string]**specialToken{
		"bos": &c.BOS, "eos": &c.EOS, "unk": &c.Unk, "sep": &c.Sep, "pad": &c.Pad, "cls": &c.Cls, "mask": &c.Mask,
	} {
		if text, ok := class.tokens[name]; ok && (*p == nil || (*p).Content == nil) {
			*p = &specialToken{addedToken: addedToken{Content: &text, Special: true}, plain: true}
		}
	}
	if c.Mask != nil && c.Mask.plain && class.maskLStrip {
		c.Mask.LStrip = true
	}
	if class.addBOS != nil {
		c.followsBOS = true
		if c.AddBOS == nil {
			c.AddBOS = class.addBOS
		}
	}
	if class.prepare != nil {
		class.prepare(c, opts)
	}
	c.setLanguages(opts, class)
}

// setTemplate makes the class's template, unless there already is one.
func (t *Tokenizer) setTemplate(class *tokenClass, c *tokenizerConfig) (err error) {
	if t.post.template == nil && class.single != "" {
		t.post.template, err = t.templateIn(c.source, class, c)
	}
	return err
}

// templateIn is the class's template, with the token of a language where the class has languages.
func (t *Tokenizer) templateIn(language string, class *tokenClass, c *tokenizerConfig) (*template, error) {
	var src int32
	if language != "" {
		var ok bool
		if src, ok = t.ID(language); !ok {
			return nil, fmt.Errorf("there is no token %q for the language of texts; want it in src_lang or tgt_lang, and in additional_special_tokens, of tokenizer_config.json", language)
		}
	}
	single, err := t.templateParts(cmp.Or(c.single, class.single), src)
	if err != nil {
		return nil, err
	}
	pair, err := t.templateParts(cmp.Or(c.pair, class.pair), src)
	return &template{single: single, pair: pair}, err
}

// templateParts reads a template such as "cls A sep B:1 sep:1". src is the token of a language.
func (t *Tokenizer) templateParts(spec string, src int32) ([]templatePart, error) {
	var parts []templatePart
	for _, word := range strings.Fields(spec) {
		name, second, _ := strings.Cut(word, ":")
		p := templatePart{seq: slices.Index([]string{"A", "B"}, name)}
		if second != "" {
			p.typeID = 1
		}
		if p.seq < 0 {
			id, ok := src, true
			if name != "src" {
				id, ok = t.namedID(name + "_token")
			}
			if !ok {
				return nil, fmt.Errorf("the model has no %s_token", name)
			}
			token, _ := t.Token(id)
			p.ids, p.tokens = []int32{id}, []string{token}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// withTarget adds a tokenizer for the language of targets, if the configuration names one.
func (t *Tokenizer) withTarget(class *tokenClass, c *tokenizerConfig) (err error) {
	if c.target == "" {
		return nil
	}
	target := *t
	target.post.template, err = t.templateIn(c.target, class, c)
	t.target = &target
	return err
}
