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
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
)

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
	return folder.WriteJSON(filepath.Join(dir, adapter.SetupFile), h)
}

// ReadModelSetup reads host.json in a folder. It returns the zero ModelSetup if there is none.
func ReadModelSetup(dir string) (h ModelSetup, err error) {
	path := filepath.Join(dir, adapter.SetupFile)
	if _, err := os.Stat(path); err != nil {
		return h, nil
	}
	b, err := input.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

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
	switch kind := adapter.HeadOf(method.Settings().TaskType); kind {
	case head.SequenceClassification, head.TokenClassification:
		h.Kind = kind
		h.Labels, err = savedClasses(dir)
	case head.QuestionAnswering, head.FeatureExtraction:
		h.Kind = kind
	}
	return h, err
}

// savedClasses returns names for the classes of the classifier in an adapter's file, nil if it has none.
func savedClasses(dir string) ([]string, error) {
	shapes, err := adapter.WeightShapes(dir)
	if err != nil {
		return nil, err
	}
	for name, shape := range shapes {
		out := slices.ContainsFunc([]string{"classifier.weight", "score.weight", "out_proj.weight"}, func(s string) bool {
			return name == s || strings.HasSuffix(name, "."+s)
		})
		if !out || len(shape) != 2 {
			continue
		}
		labels := make([]string, shape[0])
		for i := range labels {
			labels[i] = "LABEL_" + strconv.Itoa(i)
		}
		return labels, nil
	}
	return nil, nil
}
