package infer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/folder"
)

// setupFile is the name of the file that holds a ModelSetup. PEFT and transformers ignore it.
const setupFile = "host.json"

// ModelSetup says how to open the model that an adapter was trained on, or a model that was trained. It is written as
// host.json into the folder of the adapter or the model.
type ModelSetup struct {
	head.Config
	Numerics string `json:"numerics,omitempty"`
	// Task and TaskOptions are the task of the training and its options, without the data.
	Task        string         `json:"task,omitempty"`
	TaskOptions map[string]any `json:"task_options,omitempty"`
}

// Write writes host.json into a folder, unless the setup is that of any causal language model.
func (h ModelSetup) Write(dir string) error {
	if h.Kind == "" && h.Numerics == "" {
		return nil
	}
	return folder.WriteJSON(filepath.Join(dir, setupFile), h)
}

// ReadModelSetup reads host.json in a folder. It returns the zero ModelSetup if there is none.
func ReadModelSetup(dir string) (h ModelSetup, err error) {
	path := filepath.Join(dir, setupFile)
	if _, err := os.Stat(path); err != nil {
		return h, nil
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// taskTypes maps kinds of heads to PEFT's task_type.
var taskTypes = map[head.Kind]string{
	head.CausalLM: "CAUSAL_LM", head.Seq2SeqLM: "SEQ_2_SEQ_LM", head.SequenceClassification: "SEQ_CLS",
	head.TokenClassification: "TOKEN_CLS", head.QuestionAnswering: "QUESTION_ANS", head.FeatureExtraction: "FEATURE_EXTRACTION",
}

// TaskType returns PEFT's task_type of a kind of head, "" if PEFT has none.
func TaskType(kind head.Kind) string { return taskTypes[kind] }

// ReadAdapterSetup reads the setup in an adapter's folder. PEFT writes none; the head then follows from task_type, and the
// number of classes from the shape of the saved classifier.
func ReadAdapterSetup(dir string) (ModelSetup, error) {
	h, err := ReadModelSetup(dir)
	if err != nil || h.Kind != "" {
		return h, err
	}
	method, err := adapter.ReadConfig(dir)
	if err != nil {
		return h, err
	}
	for kind, name := range taskTypes {
		if name != method.Settings().TaskType || kind == head.CausalLM || kind == head.Seq2SeqLM {
			continue
		}
		h.Kind = kind
		if kind == head.SequenceClassification || kind == head.TokenClassification {
			h.Labels, err = savedClasses(dir)
		}
	}
	return h, err
}

// savedClasses returns names for the classes of the classifier in an adapter's file, nil if it has none.
func savedClasses(dir string) ([]string, error) {
	f, err := checkpoint.Open(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for _, name := range f.Names() {
		out := slices.ContainsFunc([]string{"classifier.weight", "score.weight", "out_proj.weight"}, func(s string) bool {
			return strings.HasSuffix(name, "."+s)
		})
		t, ok := f.Get(name)
		if !out || !ok || len(t.Shape) != 2 || strings.Contains(name, "lora_") {
			continue
		}
		labels := make([]string, t.Shape[0])
		for i := range labels {
			labels[i] = "LABEL_" + strconv.Itoa(i)
		}
		return labels, nil
	}
	return nil, nil
}
