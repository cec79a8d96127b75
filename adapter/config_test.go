package adapter

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// peftConfig is what PEFT 0.21 writes, with some keys changed; "-" takes a key away.
func peftConfig(t testing.TB, change string) []byte {
	t.Helper()
	all := map[string]any{}
	for _, s := range []string{`{"alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
		"base_model_name_or_path": "base", "bias": "none", "corda_config": null, "ensure_weight_tying": false, "eva_config": null,
		"exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "layer_replication": null,
		"layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 8, "lora_bias": false,
		"lora_dropout": 0.0, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null,
		"peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 4, "rank_pattern": {}, "revision": null,
		"target_modules": ["v_proj", "o_proj"], "target_parameters": null, "task_type": "CAUSAL_LM",
		"trainable_token_indices": null, "use_dora": false, "use_qalora": false, "use_rslora": false}`, change} {
		if err := json.Unmarshal([]byte(s), &all); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range all {
		if v == "-" {
			delete(all, k)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParse(t *testing.T) {
	common := Common{TaskType: "CAUSAL_LM", BaseModel: "base", InferenceMode: true, TargetModules: Suffixes("v_proj", "o_proj")}
	ranks, alphas := Pattern[int]{}, Pattern[float64]{}
	lora := func(r int, rs bool) *LoRA {
		return &LoRA{Common: common, R: r, Alpha: 8, Bias: "none", RankPattern: ranks, AlphaPattern: alphas, RSLoRA: rs}
	}
	mora := func(kind MoRAType) *MoRA {
		return &MoRA{Common: common, R: 4, Alpha: 8, Bias: "none", RankPattern: ranks, AlphaPattern: alphas, Type: kind}
	}
	tests := []struct {
		change string
		want   Method
	}{
		{`{}`, lora(4, false)},
		{`{"use_rslora": true}`, lora(4, true)},
		{`{"use_dora": true, "use_rslora": true}`, &DoRA{Common: common, R: 4, Alpha: 8, Bias: "none", RankPattern: ranks, AlphaPattern: alphas, RSLoRA: true}},
		{`{"use_mora": true, "mora_type": 1}`, mora(Sharing)},
		{`{"use_mora": true, "mora_type": "6"}`, mora(Rotation)},
		{`{"use_mora": true, "mora_type": "truncation"}`, mora(Truncation)},
		{`{"use_mora": false}`, lora(4, false)},
		{`{"r": "-", "lora_alpha": "-", "bias": "-"}`, lora(8, false)},
		{`{"loftq_config": null, "runtime_config": {"ephemeral_gpu_offload": false}, "revision": "main"}`, lora(4, false)},
	}
	for _, tt := range tests {
		got, err := Parse(peftConfig(t, tt.change))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", tt.change, got, err, tt.want)
		}
	}
}

func TestParseLists(t *testing.T) {
	m, err := Parse(peftConfig(t, `{"target_modules": ".*_proj", "exclude_modules": ["k_proj"], "layers_to_transform": null,
		"modules_to_save": ["lm_head"], "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 1.5}, "init_lora_weights": "gaussian"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := m.(*LoRA)
	if c.TargetModules.Expr != ".*_proj" || c.ExcludeModules.List[0] != "k_proj" || c.ModulesToSave[0] != "lm_head" ||
		at(c.RankPattern, "q_proj") != 2 || at(c.AlphaPattern, "q_proj") != 1.5 || c.Init != InitGaussian {
		t.Errorf("got %+v", c)
	}
	for layers, want := range map[string]intList{"3": {3}, "[1, 2]": {1, 2}} {
		m, err := Parse(peftConfig(t, `{"layers_to_transform": `+layers+`, "layers_pattern": "layers"}`))
		if err != nil || !slices.Equal(m.Settings().LayersToTransform, want) || m.Settings().LayersPattern[0] != "layers" {
			t.Errorf("%s: got %+v, %v", layers, m, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for change, want := range map[string]string{
		`{"use_frobnicate": true, "use_velo": ["x"]}`:            `adapter_config.json: not supported: use_frobnicate = true, use_velo = ["x"]`,
		`{"target_parameters": [""]}`:                            "target_parameters holds an empty name",
		`{"target_parameters": ["x"], "lora_dropout": 0.1}`:      "target_parameters with lora_dropout 0.1",
		`{"use_dora": true, "use_mora": true, "mora_type": 6}`:   "not supported: mora_type = 6, use_mora = true",
		`{"use_mora": true, "mora_type": 6, "use_rslora": true}`: "not supported: use_rslora = true",
		`{"use_mora": true}`:                                     "mora_type is missing",
		`{"use_mora": true, "mora_type": 5}`:                     "mora_type: 5 is not supported; want 1, 2, 3, 4, 6",
		`{"use_mora": true, "mora_type": "x"}`:                   `mora_type: "x" is not supported`,
		`{"target_modules": null}`:                               "target_modules is missing",
		`{"target_modules": []}`:                                 "target_modules is empty",
		`{"target_modules": 3}`:                                  "target_modules: 3 is not of its kind; want a text or a list of texts",
		`{"target_modules": [""]}`:                               "holds an empty one",
		`{"peft_type": "C3A"}`:                                   `peft_type "C3A" is not supported; supported is `,
		`{"peft_type": "-"}`:                                     "peft_type is missing",
		`{"bias": "some"}`:                                       `bias "some" is not supported; want "none", "all" or "lora_only"`,
		`{"trainable_token_indices": "x"}`:                       `trainable_token_indices: "x" is not of its kind; want a list of token ids, or such lists by module`,
		`{"lora_bias": true, "init_lora_weights": "gaussian"}`:   `lora_bias: init_lora_weights is "gaussian"; want true or false`,
		`{"r": 0}`:                                            "r is 0; want 1 to 65536",
		`{"r": "four"}`:                                       `r: "four" is not of its kind; want a whole number`,
		`{"r": 1000000}`:                                      "r is 1000000",
		`{"rank_pattern": {"q_proj": -1}}`:                    "rank_pattern: q_proj is -1",
		`{"lora_alpha": 1e300}`:                               "lora_alpha is 1e+300",
		`{"alpha_pattern": {"q_proj": -1e31}}`:                "alpha_pattern: q_proj is -1e+31",
		`{"lora_dropout": 1}`:                                 "lora_dropout is 1; want 0 or more, below 1",
		`{"init_lora_weights": "corda"}`:                      `init_lora_weights: "corda" is not supported; want true, false, "gaussian", "pissa"`,
		`{"layers_pattern": "layers"}`:                        "layers_to_transform is not",
		`{"layers_to_transform": [1], "target_modules": "x"}`: "layers_to_transform needs target_modules as a list",
	} {
		m, err := Parse(peftConfig(t, change))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %+v, %v, want %s", change, m, err, want)
		}
	}
	if _, err := Parse([]byte(`{"peft_type": `)); err == nil {
		t.Error("half a file is accepted")
	}
}

// otherConfig is what PEFT 0.21 writes for another peft_type, with some keys changed; "-" takes a key away.
func otherConfig(t testing.TB, peftType, change string) []byte {
	t.Helper()
	all := map[string]any{"peft_type": peftType, "peft_version": "0.21.2", "auto_mapping": nil, "revision": nil, "inference_mode": true,
		"base_model_name_or_path": "base", "task_type": "CAUSAL_LM", "target_modules": []string{"q_proj", "down_proj"}, "modules_to_save": nil, "fan_in_fan_out": false}
	own := map[string]string{
		"IA3": `{"exclude_modules": null, "feedforward_modules": ["down_proj"], "init_ia3_weights": true}`,
		"VERA": `{"bias": "none", "d_initial": 0.2, "init_weights": true, "layers_pattern": null, "layers_to_transform": null, "projection_prng_key": 3,
			"r": 5, "save_projection": false, "vera_dropout": 0.1}`,
		"ADALORA": `{"r": 8, "bias": "none", "init_r": 6, "target_r": 4, "tinit": 2, "tfinal": 3, "deltaT": 5, "beta1": 0.8, "beta2": 0.9, "total_step": 9,
			"orth_reg_weight": 0.4, "rank_pattern": {"q_proj.lora_E": [true, false]}, "lora_alpha": 7, "lora_dropout": 0.1, "alpha_pattern": {}, "loftq_config": {},
			"init_lora_weights": true, "exclude_modules": null, "layers_pattern": null, "layers_to_transform": null, "use_dora": false, "use_rslora": false,
			"megatron_core": "megatron.core", "qalora_group_size": 16}`,
	}
	for _, s := range []string{own[peftType], change} {
		if err := json.Unmarshal([]byte(s), &all); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseOthers(t *testing.T) {
	common := Common{TaskType: "CAUSAL_LM", BaseModel: "base", InferenceMode: true, TargetModules: Suffixes("q_proj", "down_proj")}
	for peftType, want := range map[string]Method{
		"IA3":  &IA3{Common: common, FeedForward: Suffixes("down_proj")},
		"VERA": &VeRA{Common: common, R: 5, PRNGKey: 3, SaveProjection: new(false), Dropout: 0.1, DInitial: new(0.2), Bias: "none"},
		"ADALORA": &AdaLoRA{Common: common, InitR: 6, TargetR: 4, TInit: 2, TFinal: 3, TotalStep: 9, DeltaT: 5, Beta1: 0.8, Beta2: 0.9, OrthRegWeight: new(0.4),
			RankPattern: map[string][]bool{"q_proj.lora_E": {true, false}}, Alpha: new(7.0), Dropout: 0.1, Bias: "none"},
	} {
		got, err := Parse(otherConfig(t, peftType, `{}`))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", peftType, got, err, want)
		}
	}
	for _, tt := range []struct{ peftType, change, want string }{
		{"IA3", `{"feedforward_modules": null}`, "feedforward_modules is missing"},
		{"IA3", `{"feedforward_modules": ["up_proj"]}`, `feedforward_modules: "up_proj" is not among target_modules`},
		{"IA3", `{"layers_to_transform": [1]}`, "not supported: layers_to_transform = [1]"},
		{"IA3", `{"init_ia3_weights": "gaussian"}`, `init_ia3_weights is "gaussian"; want true or false`},
		{"VERA", `{"exclude_modules": ["x"]}`, `not supported: exclude_modules = ["x"]`},
		{"VERA", `{"bias": "lora_only"}`, `bias "lora_only" is not supported; want "none", "all" or "vera_only"`},
		{"VERA", `{"trainable_token_indices": [1]}`, "not supported: trainable_token_indices = [1]"},
		{"VERA", `{"r": 0}`, "r is 0; want 1 to 65536"},
		{"VERA", `{"projection_prng_key": -1}`, "projection_prng_key is -1"},
		{"VERA", `{"vera_dropout": 1}`, "vera_dropout is 1"},
		{"ADALORA", `{"use_dora": true}`, "not supported: use_dora = true"},
		{"ADALORA", `{"alpha_pattern": {"q_proj": 2}}`, "not supported: alpha_pattern"},
		{"ADALORA", `{"target_r": 7}`, "target_r is 7; want 1 to init_r, 6"},
		{"ADALORA", `{"tinit": 6}`, "leave no step of 9"},
		{"ADALORA", `{"deltaT": 0}`, "deltaT is 0"},
		{"ADALORA", `{"beta1": 1}`, "beta1 is 1"},
		{"ADALORA", `{"orth_reg_weight": -1}`, "orth_reg_weight is -1"},
		{"ADALORA", `{"rank_pattern": {"q_proj.lora_E": 3}}`, "rank_pattern"},
	} {
		m, err := Parse(otherConfig(t, tt.peftType, tt.change))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: got %+v, %v, want %s", tt.peftType, tt.change, m, err, tt.want)
		}
	}
	m := tinyModel(t, true)
	cut := &AdaLoRA{Common: Common{TargetModules: AllLinear}, InitR: 2, TargetR: 1, DeltaT: 1, Beta1: 0.5, Beta2: 0.5, Bias: "none",
		RankPattern: map[string][]bool{"model.layers.7.mlp.up_proj.lora_E": {true}}}
	if _, err := Attach(t.Context(), m, "a", cut, 1); err == nil || !strings.Contains(err.Error(), "rank_pattern: model.layers.7.mlp.up_proj is of no adapted layer") {
		t.Errorf("got %v", err)
	}
}

func TestNew(t *testing.T) {
	m, err := New("mora", map[string]any{"r": uint64(4), "mora_type": "decouple", "lora_dropout": 0.1, "target_modules": []any{"q_proj"}})
	if err != nil {
		t.Fatal(err)
	}
	if c := m.(*MoRA); c.R != 4 || c.Type != Decouple || c.Dropout != 0.1 || !slices.Equal(c.TargetModules.List, []string{"q_proj"}) {
		t.Errorf("got %+v", c)
	}
	if m, err := New("rslora", nil); err != nil || !m.(*LoRA).RSLoRA || m.(*LoRA).R != 8 || m.Settings().TargetModules.Expr != "all-linear" {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, tt := range []struct {
		method, key, want string
		value             any
	}{
		{"mra", "r", `adapter: no method "mra"; did you mean mora?`, 8},
		{"lora", "mora_type", "adapter: mora_type is no setting of lora", 6},
		{"lora", "lora_alph", "did you mean lora_alpha?", 6},
		{"lora", "inference_mode", "is no setting", true},
		{"lora", "r", "r is 0", 0},
		{"lora", "r", `r: 1.5 is not of its kind; want a whole number`, 1.5},
		{"mora", "init_lora_weights", `MoRA has no start "gaussian"`, "gaussian"},
	} {
		if _, err := New(tt.method, map[string]any{tt.key: tt.value}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v", tt, err)
		}
	}
	for _, k := range []string{"r", "mora_type", "use_rslora", "target_modules", "lora_alpha"} {
		if !slices.Contains(Keys(), k) {
			t.Errorf("Keys lacks %s", k)
		}
	}
}

// configKeys are the keys of PEFT's other configurations, by peft_type; LORA's are those of peftConfig.
var configKeys = map[string][]string{
	"IA3": strings.Fields(`base_model_name_or_path exclude_modules fan_in_fan_out feedforward_modules inference_mode init_ia3_weights
		modules_to_save peft_type target_modules task_type`),
	"VERA": strings.Fields(`base_model_name_or_path bias d_initial fan_in_fan_out inference_mode init_weights layers_pattern
		layers_to_transform modules_to_save peft_type projection_prng_key r save_projection target_modules task_type vera_dropout`),
	"ADALORA": strings.Fields(`beta1 beta2 deltaT init_r orth_reg_weight target_r tfinal tinit total_step`), // and LORA's
}

// ourKeys are keys that PEFT warns about and ignores. It takes the file for a LoRA, which is right.
var ourKeys = []string{"use_asylora", "freeze_a", "loraplus_lr_ratio", "converted_from"}

// keysOf are the keys that may be in a file of a peft_type; nil where PEFT does not have the type.
func keysOf(peftType string, lora map[string]any) []string {
	if peftType != "LORA" && peftType != "ADALORA" {
		return configKeys[peftType]
	}
	keys := slices.Concat(configKeys[peftType], ourKeys)
	for k := range lora {
		keys = append(keys, k)
	}
	return keys
}

// TestEncodeKeys: PEFT's configurations and those of the published fork have every key that we write.
func TestEncodeKeys(t *testing.T) {
	var known map[string]any
	if err := json.Unmarshal(peftConfig(t, `{"use_mora": true, "mora_type": 6}`), &known); err != nil {
		t.Fatal(err)
	}
	for _, name := range Methods() {
		m, err := New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.Settings().InferenceMode = true
		switch c := m.(type) {
		case *LoRA:
			if c.Init.residual() {
				c.ConvertedFrom = c.Init
			}
		case *AdaLoRA:
			c.TotalStep = 1 // PEFT wants a number
		}
		if !reflect.DeepEqual(m, back) {
			t.Errorf("%s: wrote %+v, read %+v", name, m, back)
		}
		var keys map[string]any
		if err := json.Unmarshal(raw, &keys); err != nil {
			t.Fatal(err)
		}
		peft := keysOf(methods[name].PEFTType, known)
		for k := range keys {
			if peft != nil && !slices.Contains(peft, k) {
				t.Errorf("%s: PEFT has no key %s", name, k)
			}
		}
	}
	for kind, want := range map[MoRAType]string{Sharing: "1", StridedNeighbours: "4", Rotation: "6", Truncation: `"truncation"`, Decouple: `"decouple"`} {
		if raw, err := json.Marshal(kind); err != nil || string(raw) != want {
			t.Errorf("%v is written as %s, want %s", kind, raw, want)
		}
	}
}

// FuzzParse: a config is refused, or it is read, written and read back as the same. Nothing panics.
func FuzzParse(f *testing.F) {
	f.Add(peftConfig(f, `{}`))
	f.Add(peftConfig(f, `{"use_mora": true, "mora_type": "rotation", "target_modules": "(?!x).*"}`))
	f.Add(peftConfig(f, `{"use_dora": true, "layers_to_transform": [1, 2], "rank_pattern": {"a.*": 3}}`))
	f.Add(peftConfig(f, `{"r": 4, "converted_from": "pissa", "use_rslora": true, "alpha_pattern": {"a": 3.3}}`))
	f.Add(peftConfig(f, `{"loraplus_lr_ratio": 4, "init_lora_weights": "pissa_niter_4"}`))
	f.Add(peftConfig(f, `{"use_asylora": true}`))
	for peftType := range configKeys {
		f.Add(otherConfig(f, peftType, `{}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			return
		}
		text, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text)
		if err != nil {
			t.Fatalf("%s is not read back: %v", text, err)
		}
		again, err := encode(back)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%s becomes %s, %v", text, again, err)
		}
	})
}
