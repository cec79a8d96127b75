package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
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

// nllbLanguages are the languages of NLLB-200. Their order is that of the ids.
var nllbLanguages = strings.Fields(`ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi apc_Arab arb_Arab ars_Arab ary_Arab arz_Arab asm_Beng
 ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt
 bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt
 ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn pes_Arab fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gla_Latn
 gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn
 isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor knc_Arab knc_Latn kaz_Cyrl kbp_Latn
 kea_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kon_Latn kor_Hang kmr_Latn lao_Laoo lvs_Latn lij_Latn lim_Latn lin_Latn lit_Latn
 lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn lus_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Latn mkd_Cyrl plt_Latn mlt_Latn
 mni_Beng khk_Cyrl mos_Latn mri_Latn zsm_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn gaz_Latn
 ory_Orya pag_Latn pan_Guru pap_Latn pol_Latn por_Latn prs_Arab pbt_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Beng
 scn_Latn shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn als_Latn srd_Latn srp_Cyrl ssw_Latn
 sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi taq_Latn taq_Tfng tpi_Latn tsn_Latn
 tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn
 xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zul_Latn`)

// prepareMBart numbers the tokens as fairseq does for mBART: after the pieces come the languages. A text ends with its language.
func prepareMBart(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	c.addLanguages(opts, mbartLanguages)
}

// prepareMBart50 is prepareMBart with 52 languages. A text begins with its language.
func prepareMBart50(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	c.addLanguages(opts, slices.Concat(mbartLanguages, mbart50Languages))
}

// prepareNLLB numbers the tokens as fairseq does for NLLB: after the pieces come the languages, those that the configuration lists if it does, and
// then the mask. A text begins with its language, or once ended with it.
func prepareNLLB(c *tokenizerConfig, opts *classOptions) {
	prepareXLMRoberta(c, opts)
	if !c.numbers(*c.Mask.Content) {
		languages := nllbLanguages
		if len(c.Additional) > 0 {
			languages = nil
			for _, t := range c.Additional {
				languages = append(languages, *t.Content)
			}
		}
		c.addLanguages(opts, languages)
		if *c.Mask.Content != "" {
			opts.layout.after = append(opts.layout.after, *c.Mask.Content)
		}
	}
}

// numbers says whether added_tokens_decoder gives a token its id.
func (c *tokenizerConfig) numbers(token string) bool {
	for _, raw := range c.Decoder {
		var t addedToken
		if json.Unmarshal(raw, &t) == nil && t.Content != nil && *t.Content == token {
			return true
		}
	}
	return false
}

// addLanguages puts languages after the pieces.
func (c *tokenizerConfig) addLanguages(opts *classOptions, languages []string) {
	opts.layout.after = append(opts.layout.after, languages...)
	c.addSpecialTokens(languages)
}

// addSpecialTokens makes tokens special.
func (c *tokenizerConfig) addSpecialTokens(tokens []string) {
	for _, t := range tokens {
		c.Additional = append(c.Additional, specialToken{addedToken: addedToken{Content: &t, Special: true}})
	}
}

// setLanguages says which languages texts and targets are in, and where their tokens stand.
func (c *tokenizerConfig) setLanguages(opts *classOptions, class *tokenClass) {
	if class.language == "" {
		return
	}
	c.source = class.around + cmp.Or(opts.SourceLanguage, class.language) + class.around
	if opts.TargetLanguage != "" {
		c.target = class.around + opts.TargetLanguage + class.around
	}
	c.single, c.pair = "A eos src", "A B eos src"
	if class.languageFirst && !opts.LegacyBehaviour {
		c.single, c.pair = "src A eos", "src A B eos"
	}
}

// setLanguages takes the languages from tokenizer_config.json, config, where a tokenizer.json has the one that it was saved with.
func (t *Tokenizer) setLanguages(c *tokenizerConfig, config []byte) error {
	class := tokenClasses[strings.TrimSuffix(c.Class, "Fast")]
	if class == nil || class.language == "" || config == nil {
		return nil
	}
	var opts classOptions
	err := json.Unmarshal(config, &opts)
	if err == nil && opts.SourceLanguage+opts.TargetLanguage != "" {
		c.setLanguages(&opts, class)
		if id, ok := t.ID(class.tokens["eos"]); ok && c.EOS == nil {
			t.named["eos_token"] = id
		}
		if t.post.template, err = t.templateIn(c.source, class, c); err == nil {
			err = t.withTarget(class, c)
		}
	}
	if err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return nil
}
