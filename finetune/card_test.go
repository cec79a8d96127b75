package finetune

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestCardOfLlamaCpp: a card says how llama.cpp and ollama run what continues texts. An adapter goes beside its base, unless it
// trains more than layers.
func TestCardOfLlamaCpp(t *testing.T) {
	const lora = `"peft_type": "LORA", "r": 8, "target_modules": "all-linear", "base_model_name_or_path": `
	beside := []string{"finetune convert --model org/base --to gguf --output base.gguf", "finetune convert --model base.gguf --adapter me/x --to lora-gguf --output adapter.gguf",
		"llama-cli -m base.gguf --lora adapter.gguf", "ollama create model -f adapter.Modelfile"}
	run := []string{"llama-cli -m model.gguf", "ollama create model -f model.Modelfile"}
	for _, tt := range []struct {
		name, file, text, setup string
		want                    []string
	}{
		{"LoRA", "adapter_config.json", `{` + lora + `"org/base"}`, "", beside},
		{"MoRA", "adapter_config.json", `{"use_mora": true, "mora_type": 6, ` + lora + `"org/base"}`, "", beside},
		{"local base", "adapter_config.json", `{` + lora + `"base"}`, "", append([]string{"finetune convert --model BASE --to gguf --output base.gguf"}, beside[1:]...)},
		{"a module whole", "adapter_config.json", `{"modules_to_save": ["lm_head"], ` + lora + `"org/base"}`, "",
			append([]string{"finetune convert --model org/base --adapter me/x --to gguf --output model.gguf"}, run...)},
		{"tokens", "adapter_config.json", `{"trainable_token_indices": [1, 2], ` + lora + `"org/base"}`, "",
			append([]string{"finetune convert --model org/base --adapter me/x --to gguf --output model.gguf"}, run...)},
		{"model", "config.json", `{}`, "", append([]string{"finetune convert --model me/x --to gguf --output model.gguf"}, run...)},
		{"classifier", "adapter_config.json", `{` + lora + `"org/base"}`, `{"kind": "sequence-classification"}`, nil},
	} {
		dir := t.TempDir()
		tiny.Write(t, filepath.Join(dir, tt.file), tt.text)
		if tt.setup != "" {
			tiny.Write(t, filepath.Join(dir, adapter.SetupFile), tt.setup)
		}
		card, err := Card(dir, "me/x")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		block := "\nWith llama.cpp and ollama, if they know the base's architecture:\n\n    " + strings.Join(tt.want, "\n    ") + "\n"
		if tt.want == nil && strings.Contains(card, "llama.cpp") || tt.want != nil && !strings.Contains(card, block) {
			t.Errorf("%s: want\n%s\nin the card:\n%s", tt.name, block, card)
		}
	}
}
