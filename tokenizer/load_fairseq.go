package tokenizer

import (
	"cmp"
	"slices"
	"strings"
)

// mbartLanguages are the languages of mBART, mbart50Languages those that mBART-50 has after them; their order is that of the ids.
var (
	mbartLanguages = strings.Fields(`ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP nl_XX
 ro_RO ru_RU si_LK tr_TR vi_VN zh_CN`)
	mbart50Languages = strings.Fields(`af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN
 th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI`)
)

// prepareMBart numbers the tokens as fairseq does for mBART: after the pieces come the languages. A text ends with its language.
func prepareMBart(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	c.addLanguages(opts, mbartLanguages)
	c.setLanguage(opts, "en_XX", false)
}

// prepareMBart50 is prepareMBart with 52 languages. A text begins with its language.
func prepareMBart50(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	c.addLanguages(opts, slices.Concat(mbartLanguages, mbart50Languages))
	c.setLanguage(opts, "en_XX", true)
}

// prepareNLLB takes the languages that the configuration lists. A text begins with its language, or once ended with it.
func prepareNLLB(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	c.setLanguage(opts, "eng_Latn", !opts.LegacyBehaviour)
}

// addLanguages puts languages after the pieces.
func (c *tokenizerConfig) addLanguages(opts *classOptions, languages []string) {
	opts.layout.after = append(opts.layout.after, languages...)
	for _, l := range languages {
		c.Additional = append(c.Additional, specialToken{addedToken: addedToken{Content: &l, Special: true}})
	}
}

// setLanguage says which language texts are in, and where it stands.
func (c *tokenizerConfig) setLanguage(opts *classOptions, standard string, first bool) {
	c.source = cmp.Or(opts.SourceLanguage, standard)
	c.single, c.pair = "A eos src", "A B eos src"
	if first {
		c.single, c.pair = "src A eos", "src A B eos"
	}
}
