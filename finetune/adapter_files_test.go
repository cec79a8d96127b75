package finetune

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestRecipesKeepTheOrderOfPatterns: the first key that matches counts, in the order of the file or the flags.
func TestRecipesKeepTheOrderOfPatterns(t *testing.T) {
	const recipe = "method: lora\nrank_pattern: {q_proj: 2, attn.q_proj: 3, a: 4}\ncompare:\n- {name: x, alpha_pattern: {z: 1, y: 2}}\n- {name: y, r: 2}\n"
	runs, err := ParseRecipes([]byte(recipe), []string{"rank_pattern.layers.1=5"})
	if err != nil {
		t.Fatal(err)
	}
	with, err := runs[0].With(map[string]any{"r": 4})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range append(runs, with) {
		m, err := adapter.New(r.Config.Method.Name, r.Config.Method.Settings)
		if err != nil {
			t.Fatal(err)
		}
		c := m.(*adapter.LoRA)
		if got := strings.Join(c.RankPattern.Keys(), " "); got != "q_proj attn.q_proj a layers.1" {
			t.Errorf("run %d: rank_pattern has %s", i, got)
		}
		if got := strings.Join(c.AlphaPattern.Keys(), " "); i != 1 && got != "z y" {
			t.Errorf("run %d: alpha_pattern has %s", i, got)
		}
	}
	one, two := runs[0].Config, runs[0].Config
	if two.Save.BaseModel = "org/name"; digestOf(must(t, one), nil) != digestOf(must(t, two), nil) {
		t.Error("base_model decides the course of the run")
	}
}

func must(t *testing.T, c Config) []byte {
	t.Helper()
	raw, err := json.Marshal(c.courseKeys())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestAdaptersNameTheirBase: a run's adapter names its base by what finds it anywhere, never by a path, and opens on it by
// that name where the model lies beside it.
func TestAdaptersNameTheirBase(t *testing.T) {
	root := t.TempDir()
	for _, tt := range []struct{ dir, key, want string }{
		{"tiny", "", "tiny"},
		{filepath.Join("hub", "models--org--small", "snapshots", "0123abc"), "", "org/small"},
		{"tiny", "org/said", "org/said"},
	} {
		base := filepath.Join(root, tt.dir)
		if _, err := os.Stat(base); err != nil {
			if err := os.CopyFS(base, os.DirFS(tiny.Encoder(t))); err != nil {
				t.Fatal(err)
			}
		}
		c := headCases["classify"].config(t, base, 1)
		c.Save.BaseModel, c.Save.OutputDir = tt.key, filepath.Join(root, "run"+strings.ReplaceAll(tt.want, "/", "-"))
		c.Train.MaxSteps, c.Save.Steps = 2, 1
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{c.Save.OutputDir, filepath.Join(c.Save.OutputDir, "checkpoint-1")} {
			raw, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Base    string   `json:"base_model_name_or_path"`
				Modules []string `json:"modules_to_save"`
			}
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if got.Base != tt.want || strings.Contains(string(raw), root) || !slices.Contains(got.Modules, "classifier") {
				t.Errorf("%s: adapter_config.json is %s", tt.dir, raw)
			}
		}
		t.Setenv("HF_HUB_CACHE", filepath.Join(root, "hub"))
		tiny.Write(t, filepath.Join(root, "hub", "models--org--small", "refs", "main"), "0123abc")
		if found, err := infer.BaseModel(c.Save.OutputDir); tt.key == "" && (err != nil || found != base) {
			t.Errorf("%s: found %s, %v", tt.want, found, err)
		}
	}
}

// TestEverythingThatAnAdapterTrainsIsResumed: a run whose adapter changes embeddings, tokens, biases and norms goes on to
// the same bits.
func TestEverythingThatAnAdapterTrainsIsResumed(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"embeddings": {"r": 2, "target_modules": []string{"q_proj", "embed_tokens"}, "modules_to_save": []string{"norm"}, "bias": "all"},
		"tokens":     {"r": 2, "target_modules": []string{"q_proj", "v_proj"}, "trainable_token_indices": []int{3, 40, 65}, "lora_bias": true},
	} {
		c := smallRun(t, "lora")
		c.Method.Settings = settings
		checkResume(t, name, []int{5}, c)
	}
}
