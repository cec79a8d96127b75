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
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// hostFile says beside an adapter, or a model, how its model is to be opened again; PEFT and transformers pass it over.
const hostFile = "host.json"

// Host is the content of host.json.
type Host struct {
	head.Config
	Numerics string `json:"numerics,omitempty"`
	// Task and TaskOptions are those of the training, without its data.
	Task        string         `json:"task,omitempty"`
	TaskOptions map[string]any `json:"task_options,omitempty"`
}

// Write keeps the record in a folder, unless there is nothing to say.
func (h Host) Write(dir string) error {
	if h.Kind == "" && h.Numerics == "" {
		return nil
	}
	return folder.WriteJSON(filepath.Join(dir, hostFile), h)
}

// ReadHost reads a folder's record; without one it is the zero record.
func ReadHost(dir string) (h Host, err error) {
	path := filepath.Join(dir, hostFile)
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

// adapterHost reads the record beside an adapter. PEFT writes none: there the head follows from task_type, and the number
// of classes from the classifier that is saved whole.
func adapterHost(dir string) (Host, error) {
	h, err := ReadHost(dir)
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

// savedClasses names the classes of the classifier in an adapter's file, none where it holds no classifier.
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

// HeadOf is a model's head, its problem named.
func HeadOf(m *model.Model) head.Config {
	h := m.Head().Config
	if h.Kind == head.SequenceClassification {
		h.ProblemType = h.Problem()
	}
	return h
}

// Opener reads or makes a model.
type Opener func(model.Options) (*model.Model, error)

// OpenFor opens a model with the head that a task wants: its own one, where the task's labels are among its labels, or a
// new one, which is to be trained.
func OpenFor(task tasks.Task, open Opener, o model.Options) (m *model.Model, isNew bool, err error) {
	h, ok := task.(tasks.HeadTask)
	m, err = open(o)
	if err == nil {
		if !ok {
			return m, false, wantCausal(m)
		}
		own := HeadOf(m)
		if want, e := h.Head(own); e == nil && want.Kind == own.Kind {
			return m, m.NewlyInitialized, nil
		}
		_ = m.Close()
	}
	if !ok {
		return nil, false, err
	}
	if o.Head, err = h.Head(head.Config{}); err != nil {
		return nil, false, err
	}
	m, err = open(o)
	return m, true, err
}

// wantCausal refuses a model for a task that continues text.
func wantCausal(m *model.Model) error {
	if k := m.Head().Kind; k != head.CausalLM {
		_ = m.Close()
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s", head.CausalLM, k)
	}
	return nil
}

// MatchHead gives a task the model's head, or says why they do not go together.
func MatchHead(task tasks.Task, m *model.Model) error {
	own := HeadOf(m)
	want, err := tasks.HeadOf(task, own)
	if want.Kind != own.Kind && want.Kind != "" {
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s: train one", want.Kind, own.Kind)
	}
	return err
}
