package adapter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestZeroValue: the zero value of every method's struct attaches and saves, with the defaults that New has. The caller's
// struct does not change.
func TestZeroValue(t *testing.T) {
	done := map[reflect.Type]bool{}
	for _, name := range order {
		with := map[string]any{}
		setting(with, name, "r", 1) // the tiny model's layers are narrow
		want := mustNew(t, name, with)
		kind := reflect.TypeOf(want).Elem()
		if done[kind] {
			continue // a variant of one before
		}
		done[kind] = true
		t.Run(name, func(t *testing.T) {
			zero := reflect.New(kind).Interface().(Method)
			for key, f := range fields(zero) {
				if _, ok := with[key]; ok {
					f.SetInt(1)
				}
			}
			before := reflect.ValueOf(zero).Elem().Interface()
			a := mustAttach(t, tinyModel(t, true), "a", zero)
			if err := a.Save(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(reflect.ValueOf(zero).Elem().Interface(), before) {
				t.Errorf("the caller's struct is now %+v", zero)
			}
			want.Settings().BaseModel = a.Method.Settings().BaseModel
			one, two := encoded(t, a.Method), encoded(t, want)
			if one != two {
				t.Errorf("a literal has\n%s\nNew has\n%s", one, two)
			}
		})
	}
}

func encoded(t *testing.T, m Method) string {
	t.Helper()
	raw, err := encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestLiterals: what a literal sets is kept, also where it is false or zero. All else has its default.
func TestLiterals(t *testing.T) {
	for _, tt := range []struct {
		method Method
		want   string // JSON of the settings that matter
	}{
		{&LoRA{R: 4}, `{"r": 4, "lora_alpha": 8, "bias": "none", "rank_pattern": {},
			"target_modules": ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]}`},
		{&LoRAPlus{R: 4}, `{"r": 4, "loraplus_lr_ratio": 4}`},
		{&LoRAPlus{Ratio: 2}, `{"r": 8, "loraplus_lr_ratio": 2}`},
		{&AsyLoRA{R: 4, RSLoRA: true}, `{"r": 4, "use_rslora": true}`},
		{&DoRA{Alpha: 3}, `{"r": 8, "lora_alpha": 3}`},
		{&MoRA{R: 1}, `{"r": 1, "mora_type": 6}`},
		{&MoRA{R: 1, Type: Sharing}, `{"mora_type": 1}`},
		{&VeRA{R: 2}, `{"r": 2, "save_projection": true, "d_initial": 0.1}`},
		{&VeRA{SaveProjection: new(false), DInitial: new(0.0)}, `{"r": 256, "save_projection": false, "d_initial": 0}`},
		{&AdaLoRA{}, `{"init_r": 12, "target_r": 8, "lora_alpha": 8, "orth_reg_weight": 0.5, "beta1": 0.85}`},
		{&AdaLoRA{Alpha: new(0.0), OrthRegWeight: new(0.0)}, `{"lora_alpha": 0, "orth_reg_weight": 0}`},
		{&IA3{Common: Common{TargetModules: Suffixes("down_proj")}, FeedForward: Suffixes()}, `{"feedforward_modules": []}`},
	} {
		a := mustAttach(t, tinyModel(t, true), "a", tt.method)
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, configFile))
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if !reflect.DeepEqual(got[k], v) {
				t.Errorf("%+v: %s is %v, want %v", tt.method, k, got[k], v)
			}
		}
		if _, err := Load(t.Context(), tinyModel(t, true), dir, "a"); err != nil {
			t.Error(err)
		}
	}
}

// TestExplicitZero: a zero that a file or a map of settings spells out takes no default, and is refused where it has no
// meaning.
func TestExplicitZero(t *testing.T) {
	for _, tt := range []struct {
		method, key, want string
		in                string
	}{
		{"lora", "r", "r is 0", `{"r": 0}`},
		{"lora", "lora_alpha", "lora_alpha is 0", `{"lora_alpha": 0}`},
		{"dora", "lora_alpha", "lora_alpha is 0", `{"lora_alpha": 0, "use_dora": true}`},
		{"asylora", "lora_alpha", "lora_alpha is 0", `{"lora_alpha": 0, "use_asylora": true}`},
		{"loraplus", "loraplus_lr_ratio", "loraplus_lr_ratio is 0", ""},
		{"mora", "mora_type", "mora_type: 0 is not supported", `{"mora_type": 0, "use_mora": true}`},
		{"vera", "r", "r is 0", ""},
		{"adalora", "deltaT", "deltaT is 0", ""},
	} {
		if _, err := New(tt.method, map[string]any{tt.key: 0}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New: got %v, want %s", err, tt.want)
		}
		if tt.in == "" {
			continue
		}
		if _, err := Parse(peftConfig(t, tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse: got %v, want %s", err, tt.want)
		}
	}
}
