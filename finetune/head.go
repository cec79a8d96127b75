package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// hostFile says beside an adapter, or a model, how its host is to be opened again; PEFT and transformers pass it over.
const hostFile = "host.json"

// hostRecord is the content of hostFile.
type hostRecord struct {
	head.Config
	Numerics string `json:"numerics,omitempty"`
	// Task and TaskOptions are those of the training, without its data.
	Task        string         `json:"task,omitempty"`
	TaskOptions map[string]any `json:"task_options,omitempty"`
}

// opener reads or makes a model.
type opener func(model.Options) (*model.Model, error)

func loader(dir string) opener {
	return func(o model.Options) (*model.Model, error) { return model.LoadAs(dir, o) }
}

// headOf is a model's head, its problem named.
func headOf(m *model.Model) head.Config {
	h := m.Head().Config
	if h.Kind == head.SequenceClassification {
		h.ProblemType = h.Problem()
	}
	return h
}

// openFor opens a model with the head that a task wants: its own one, where the task's labels are among its labels, or a
// new one, which is to be trained.
func openFor(task tasks.Task, open opener, o model.Options) (m *model.Model, fresh bool, err error) {
	h, ok := task.(tasks.HeadTask)
	m, err = open(o)
	if err == nil {
		if !ok {
			return m, false, wantCausal(m)
		}
		own := headOf(m)
		if want, e := h.Head(own); e == nil && want.Kind == own.Kind {
			return m, m.NewlyInitialized, nil
		}
		_ = m.Close()
	}
	if !ok {
		return nil, false, err
	}
	want, e := h.Head(head.Config{})
	if e != nil {
		return nil, false, e
	}
	o.Head = want
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

// matchHead gives a task the model's head, or says why they do not go together.
func matchHead(task tasks.Task, m *model.Model) error {
	own := headOf(m)
	want, err := tasks.HeadOf(task, own)
	if want.Kind != own.Kind && want.Kind != "" {
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s: train one", want.Kind, own.Kind)
	}
	return err
}

// taskTypes are PEFT's names of the kinds of models.
var taskTypes = map[head.Kind]string{
	head.CausalLM: "CAUSAL_LM", head.Seq2SeqLM: "SEQ_2_SEQ_LM", head.SequenceClassification: "SEQ_CLS",
	head.TokenClassification: "TOKEN_CLS", head.QuestionAnswering: "QUESTION_ANS", head.FeatureExtraction: "FEATURE_EXTRACTION",
}

// saveHead lets an adapter take a head along that trains whole: a new one, and as in PEFT that of every classifier.
func (r *run) saveHead(s *adapter.Common) {
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return
	}
	kind := r.m.Head().Kind
	if s.TaskType == "" {
		s.TaskType = taskTypes[kind]
	}
	classifies := slices.Contains([]head.Kind{head.SequenceClassification, head.TokenClassification, head.QuestionAnswering}, kind)
	if !r.newHead && !classifies {
		return
	}
	own := map[string]bool{}
	r.m.Weights(func(w *model.Weight) { own[w.Name] = w.Tied() == nil })
	for _, path := range r.m.Head().Modules() {
		if own[path+".weight"] && !slices.Contains(s.ModulesToSave, path) {
			s.ModulesToSave = append(s.ModulesToSave, path)
		}
	}
}

// recordHost is how the run's model is opened again; the zero record for a causal language model.
func (r *run) recordHost() hostRecord {
	rec := hostRecord{}
	if r.c.Numerics != model.HuggingFace {
		rec.Numerics = r.c.Numerics
	}
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return rec
	}
	rec.Config, rec.Task = headOf(r.m), r.c.Task
	for k, v := range r.c.TaskOptions {
		if !slices.Contains([]string{"data", "eval_data", "test_data", "eval_size", "eval_fraction", "labels", "index", "seed"}, k) {
			if rec.TaskOptions == nil {
				rec.TaskOptions = map[string]any{}
			}
			rec.TaskOptions[k] = v
		}
	}
	return rec
}

// write keeps the record in a folder, unless there is nothing to say.
func (rec hostRecord) write(dir string) error {
	if rec.Kind == "" && rec.Numerics == "" {
		return nil
	}
	return writeJSON(filepath.Join(dir, hostFile), rec)
}

// readHost reads a folder's record; without one it is the zero record.
func readHost(dir string) (rec hostRecord, err error) {
	path := filepath.Join(dir, hostFile)
	if _, err := os.Stat(path); err != nil {
		return rec, nil
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil {
		return rec, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// adapterHost reads the record beside an adapter. PEFT writes none: there the head follows from task_type, and the number
// of classes from the classifier that is saved whole.
func adapterHost(dir string) (hostRecord, error) {
	rec, err := readHost(dir)
	if err != nil || rec.Kind != "" {
		return rec, err
	}
	method, err := adapter.ReadConfig(dir)
	if err != nil {
		return rec, err
	}
	for kind, name := range taskTypes {
		if name != method.Settings().TaskType || kind == head.CausalLM || kind == head.Seq2SeqLM {
			continue
		}
		rec.Kind = kind
		if kind == head.SequenceClassification || kind == head.TokenClassification {
			rec.Labels, err = savedClasses(dir)
		}
	}
	return rec, err
}

// savedClasses names the classes of the classifier in an adapter's file, none where it holds no classifier.
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

// draw is a row as it is trained on at a place of a step.
func (r *run) draw(row tasks.Features, step, at int) tasks.Features {
	if d, ok := r.task.(tasks.Collator); ok {
		return d.Collate(r.texts, row, stream(r.c.Seed, forDraw, step<<16|at))
	}
	return row
}

// drawHeld draws rows once for all, the same for every run.
func drawHeld(task tasks.Task, texts *tasks.PairEncoder, rows []tasks.Features) {
	if d, ok := task.(tasks.Collator); ok {
		for i, row := range rows {
			rows[i] = d.Collate(texts, row, rand.New(rand.NewPCG(1, uint64(i))).Uint64())
		}
	}
}

// scoresFromHead says whether a task's answers are read off the head and judged: that costs little.
func scoresFromHead(task string) bool {
	t, err := tasks.NewPromptBuilder(task, nil)
	_, reads := t.(tasks.Postprocessor)
	_, judges := t.(tasks.Metrics)
	return err == nil && reads && judges
}

// planPairs fits the plan to contrastive batches: none has a single pair.
func (r *run) planPairs() error {
	window := r.c.PerDeviceTrainBatchSize * r.c.GradientAccumulationSteps
	switch {
	case window < 2:
		return errors.New("per_device_train_batch_size is 1; a pair is told from the others of its batch: want 2 or more")
	case len(r.rows) < 2:
		return fmt.Errorf("there is %d pair to train on; want 2 or more", len(r.rows))
	case len(r.held) == 1:
		r.o.Log.Warn().Msg("a single held-out pair cannot be evaluated; it is left out")
		r.held = nil
	}
	if len(r.rows)%window == 1 {
		r.perEpoch-- // the last pair of an epoch is left out
	}
	return nil
}
