package adapter

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
)

func TestBaseModelName(t *testing.T) {
	for dir, want := range map[string]string{
		"": "",
		"/home/me/.cache/huggingface/hub/models--HuggingFaceTB--SmolLM2-135M/snapshots/93efa2f": "HuggingFaceTB/SmolLM2-135M",
		"/cache/models--gpt2/snapshots/607a30d/":                                                "gpt2",
		"/models/smollm2":                                                                       "smollm2",
		"/models/smollm2/":                                                                      "smollm2",
		"smollm2":                                                                               "smollm2",
		"../a/./b":                                                                              "b",
		"/data/models--x/copy":                                                                  "copy",
	} {
		if got := BaseModelName(filepath.FromSlash(dir)); got != want {
			t.Errorf("%s: got %q, want %q", dir, got, want)
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got := BaseModelName("."); got != filepath.Base(wd) {
		t.Errorf("got %q for the current folder", got)
	}
}

// TestWritten: other programs find the kind of the model and its modules in the file, and no path.
func TestWritten(t *testing.T) {
	bert := func(class string) string {
		return fmt.Sprintf(`{"model_type": "bert", "architectures": [%q], "vocab_size": 31, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2,
			"num_attention_heads": 2, "max_position_embeddings": 64}`, class)
	}
	const llama = `{"model_type": "llama", "architectures": ["%s"], "vocab_size": 31, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2,
		"num_attention_heads": 2, "max_position_embeddings": 64}`
	encoder := []string{"intermediate.dense", "key", "output.dense", "query", "value"}
	decoder := []string{"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}
	const bart = `{"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": 31, "d_model": 12, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20,
		"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0,
		"bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}`
	for _, tt := range []struct {
		config, task string
		targets      []string
		head         []string // its weights, which PEFT wants
	}{
		{fmt.Sprintf(llama, "LlamaForCausalLM"), "CAUSAL_LM", decoder, nil},
		{fmt.Sprintf(llama, "LlamaForSequenceClassification"), "SEQ_CLS", decoder, []string{"score.weight"}},
		{fmt.Sprintf(llama, "LlamaModel"), "FEATURE_EXTRACTION", decoder, nil},
		{bert("BertForSequenceClassification"), "SEQ_CLS", encoder, []string{"classifier.bias", "classifier.weight"}},
		{bert("BertForTokenClassification"), "TOKEN_CLS", encoder, []string{"classifier.bias", "classifier.weight"}},
		{bert("BertForQuestionAnswering"), "QUESTION_ANS", encoder, []string{"qa_outputs.bias", "qa_outputs.weight"}},
		{bert("BertModel"), "FEATURE_EXTRACTION", encoder, nil},
		{bert("BertForMaskedLM"), "", encoder, nil},
		{bart, "SEQ_2_SEQ_LM", []string{"fc1", "fc2", "k_proj", "out_proj", "q_proj", "v_proj"}, nil},
	} {
		m, err := model.New([]byte(tt.config), model.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.Dir = "/machine/models/tiny"
		a := mustAttach(t, m, "a", &LoRA{R: 1})
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, configFile))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Task    string   `json:"task_type"`
			Base    string   `json:"base_model_name_or_path"`
			Targets []string `json:"target_modules"`
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if c.Task != tt.task || c.Base != "tiny" || !slices.Equal(c.Targets, tt.targets) || strings.Contains(string(raw), "machine") {
			t.Errorf("%s: got %s", tt.config, raw)
		}
		if c := a.Method.Settings(); c.TargetModules.Expr != AllLinear.Expr || c.TaskType != "" || c.BaseModel != "" {
			t.Errorf("Save changed the settings to %+v", c)
		}
		var whole []string
		for n := range values(t, dir) {
			if !strings.Contains(n, "lora_") {
				whole = append(whole, n)
			}
		}
		slices.Sort(whole)
		if !slices.Equal(whole, tt.head) {
			t.Errorf("%s: whole weights are %v, want %v", tt.config, whole, tt.head)
		}
		b, err := Load(t.Context(), m, dir, "b")
		if err != nil {
			t.Fatal(err)
		}
		if len(b.layers) != len(a.layers) {
			t.Errorf("%s: %d layers, want %d", tt.config, len(b.layers), len(a.layers))
		}
	}
}

// TestAdaptedHeadHasNoTaskType: with a task_type PEFT would take the adapter off the head and expect it whole.
func TestAdaptedHeadHasNoTaskType(t *testing.T) {
	config := `{"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 20, "hidden_size": 8, "intermediate_size": 12,
		"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16}`
	for target, want := range map[string]string{"query": "SEQ_CLS", "classifier": ""} {
		m, err := model.New([]byte(config), model.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := mustAttach(t, m, "a", &LoRA{Common: Common{TargetModules: Suffixes(target)}, R: 1}).Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := Load(t.Context(), m, dir, "b")
		if err != nil || got.Method.Settings().TaskType != want {
			t.Errorf("%s: task_type %q, %v; want %q", target, got.Method.Settings().TaskType, err, want)
		}
	}
}

// TestLaterKeys: keys that earlier versions of PEFT stop at are written only where they say something.
func TestLaterKeys(t *testing.T) {
	for want, method := range map[bool]*LoRA{
		false: {Common: Common{TargetModules: Suffixes("q_proj")}, R: 1},
		true: {Common: Common{TargetModules: Suffixes("q_proj", "lm_head"), ExcludeModules: Suffixes("lm_head"),
			TrainableTokenIndices: TokenIndices{List: []int{1}}}, R: 1, LoRABias: true},
	} {
		dir := t.TempDir()
		if err := mustAttach(t, tinyModel(t, false), "a", method).Save(dir); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, configFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range later {
			if key == "target_parameters" && want {
				continue // of a model with experts
			}
			if strings.Contains(string(raw), `"`+key+`"`) != want {
				t.Errorf("%s is there: %t, want %t", key, !want, want)
			}
		}
	}
}
