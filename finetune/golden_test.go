package finetune

import (
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
)

// goldenRun is the content of METHOD.json in testdata/golden/train: the settings and the results of a run in PyTorch.
type goldenRun struct {
	Method        string    `json:"method"`
	R             int       `json:"r"`
	LoraAlpha     float64   `json:"lora_alpha"`
	TargetModules []string  `json:"target_modules"`
	LR            float64   `json:"lr"`
	Betas         []float64 `json:"betas"`
	Eps           float64   `json:"eps"`
	WeightDecay   float64   `json:"weight_decay"`
	MaxGradNorm   float64   `json:"max_grad_norm"`
	Steps         int       `json:"steps"`
	Losses        []float64 `json:"losses"`
	GradNorms     []float64 `json:"grad_norms"`
	// Settings are the method's settings, for methods that need more than r and lora_alpha.
	Settings map[string]any `json:"settings"`
	// Optim and OptimArgs are Trainer's keys; empty ones are AdamW.
	Optim     string `json:"optim"`
	OptimArgs string `json:"optim_args"`
}

// rate returns the learning rate of a step, counted from 1.
func (c goldenRun) rate(s int) float64 {
	if s <= 3 {
		return c.LR * float64(s) / 3
	}
	return c.LR * 0.5 * (1 + math.Cos(math.Pi*float64(s-3)/float64(c.Steps-3)))
}

// goldenRows reads right-padded rows for a kind of head. positions lists where the labels were in the padded rows.
func goldenRows(t *testing.T, f *golden.File, prefix string, kind head.Kind) (rows []tasks.Features, positions []int) {
	ids, mask, labels := f.Int(t, prefix+"input_ids"), f.Int(t, prefix+"attention_mask"), f.Int(t, prefix+"labels")
	types := make([]int, len(ids))
	if f.Has(prefix + "token_type_ids") {
		types = f.Int(t, prefix+"token_type_ids")
	}
	shape := f.Shape(t, prefix+"input_ids")
	width := len(labels) / shape[0]
	for r := range shape[0] {
		row := tasks.Features{Source: prefix}
		for i := r * shape[1]; i < (r+1)*shape[1]; i++ {
			if mask[i] == 1 {
				row.IDs, row.TokenTypeIDs = append(row.IDs, int32(ids[i])), append(row.TokenTypeIDs, int32(types[i]))
			}
		}
		n := width
		switch kind {
		case head.Seq2SeqLM:
			for n > 1 && labels[r*width+n-1] == head.IgnoreIndex {
				n--
			}
		case head.SequenceClassification:
		default:
			n = len(row.IDs)
		}
		for i := r * width; i < r*width+n; i++ {
			row.Labels, positions = append(row.Labels, int32(labels[i])), append(positions, i)
		}
		rows = append(rows, row)
	}
	return rows, positions
}

// TestGoldenRuns trains as PyTorch did, with every method in testdata/golden/train, and compares each step.
func TestGoldenRuns(t *testing.T) {
	for _, c := range golden.Cases(t, "train") {
		methods, err := filepath.Glob(c.Path("*.json"))
		if err != nil || len(methods) == 0 {
			t.Fatalf("%s has no runs (%v)", c.Dir, err)
		}
		for _, path := range methods {
			name := strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				followGolden(t, c, name)
			})
		}
	}
}

// newGoldenTrainer returns the trainer of a golden run, with the run's initial adapter.
func newGoldenTrainer(t *testing.T, c golden.Case, g goldenRun, f *golden.File) *Trainer {
	m, err := model.Load(t.Context(), c.Path("base"), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := optim.NewRule(optim.Settings{Optim: g.Optim, OptimArgs: g.OptimArgs, AdamBeta1: g.Betas[0], AdamBeta2: g.Betas[1], AdamEpsilon: g.Eps})
	if err != nil {
		t.Fatal(err)
	}
	o := TrainerOptions{Optimizer: rule, WeightDecay: g.WeightDecay, WeightDecayAll: true, MaxGradNorm: g.MaxGradNorm, MaxTokensPerMicroBatch: 30}
	var tr *Trainer
	if g.Method == "full" {
		tr = NewTrainer(m, nil, o)
	} else {
		settings := map[string]any{"r": g.R, "target_modules": g.TargetModules, "exclude_modules": ".*(classifier|predictions|pooler).*"}
		name := g.Method
		if kind, ok := strings.CutPrefix(name, "mora"); ok {
			name = "mora"
			settings["mora_type"] = kind
		} else {
			settings["lora_alpha"] = g.LoraAlpha
		}
		if g.Settings != nil {
			settings = g.Settings
			settings["target_modules"] = g.TargetModules
		}
		method, err := adapter.New(name, settings)
		if err != nil {
			t.Fatal(err)
		}
		a, err := adapter.Attach(t.Context(), m, infer.AdapterName, method, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.OnTrainBegin(g.Steps); err != nil {
			t.Fatal(err)
		}
		tr = NewTrainer(m, a, o)
		for _, p := range tr.Params {
			if v, ok := goldenValues(t, m, f, "init.", p.Name); ok {
				copy(op.Data(p.Param).Data, v)
			}
		}
		a.ParamsChanged()
	}
	return tr
}

// goldenName returns a parameter's name as it is in testdata/golden/train.
func goldenName(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	return strings.Replace(name, "lora_magnitude_vector", "magnitude", 1)
}

var expertParam = regexp.MustCompile(`^(.*\.experts)\.(\d+)\.(gate_up_proj|down_proj)\.(lora_[AB])$`)

// goldenValues are a parameter's in a file, if it has them. PEFT has those of all experts in one: the rows of lora_A expert by
// expert, the columns of lora_B rank by rank.
func goldenValues(t *testing.T, m *model.Model, f *golden.File, prefix, name string) ([]float32, bool) {
	name = goldenName(name)
	e := expertParam.FindStringSubmatch(name)
	if e == nil {
		if !f.Has(prefix + name) {
			return nil, false
		}
		return f.Float32(t, prefix+name), true
	}
	whole := prefix + e[1] + "." + e[4]
	if e[3] == "gate_up_proj" {
		whole = prefix + e[1] + ".base_layer." + e[4]
	}
	n := 0
	m.Experts(func(l *model.Linear) { _, _, n = l.Weight.Entry() })
	i, err := strconv.Atoi(e[2])
	if err != nil || !f.Has(whole) {
		return nil, false
	}
	all := f.Float32(t, whole)
	if e[4] == "lora_A" {
		return all[i*len(all)/n : (i+1)*len(all)/n], true
	}
	var own []float32
	for j := i; j < len(all); j += n {
		own = append(own, all[j])
	}
	return own, true
}

// followGolden runs the steps of a golden run and compares losses, gradient norms, final parameters and logits.
func followGolden(t *testing.T, c golden.Case, name string) {
	var g goldenRun
	golden.JSON(t, c.Path(name+".json"), &g)
	f, batches := golden.Open(t, c.Path(name+".safetensors")), golden.Open(t, c.Path("batches.safetensors"))
	tr := newGoldenTrainer(t, c, g, f)
	for s := 1; s <= g.Steps; s++ {
		rows, _ := goldenRows(t, batches, "step"+string(rune('0'+s))+".", tr.Model.Head().Kind)
		got, err := tr.Step(t.Context(), rows, s-1, g.rate(s))
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(got.Loss - g.Losses[s-1]); !(d <= 2e-5) {
			t.Errorf("step %d: loss %.7f, want %.7f", s, got.Loss, g.Losses[s-1])
		}
		if d := math.Abs(got.GradNorm-g.GradNorms[s-1]) / g.GradNorms[s-1]; !(d <= 1e-4) {
			t.Errorf("step %d: gradient norm %.7f, want %.7f", s, got.GradNorm, g.GradNorms[s-1])
		}
	}
	checkFinal(t, tr, f)
	rows, positions := goldenRows(t, f, "eval.", tr.Model.Head().Kind)
	pass := &op.Pass{Adapter: tr.adapter}
	defer pass.Release()
	logits, err := tr.Model.Logits(pass, infer.Batch(tr.Model, rows), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	all, n := f.Float32(t, "eval_logits"), logits.Cols
	for _, i := range positions {
		want = append(want, all[i*n:(i+1)*n]...)
	}
	golden.Close(t, "eval_logits", logits.Data, want, 1e-3, false)
}

// checkFinal compares the trained parameters: 99.9 % of the entries must be within 1e-4.
func checkFinal(t *testing.T, tr *Trainer, f *golden.File) {
	n, off, worst := 0, 0, 0.0
	for _, p := range tr.Params {
		final, ok := goldenValues(t, tr.Model, f, "final.", p.Name)
		if !ok {
			if tr.adapter != "" {
				t.Errorf("the file has no %s", p.Name)
			}
			continue
		}
		for i, v := range final {
			d := math.Abs(float64(v - op.Data(p.Param).Data[i]))
			worst = max(worst, d)
			n++
			if !(d <= 1e-4) {
				off++
			}
		}
	}
	if float64(off) > 0.001*float64(n) {
		t.Errorf("%d of %d final entries are off by more than 1e-4 (the worst by %.2g)", off, n, worst)
	}
}
