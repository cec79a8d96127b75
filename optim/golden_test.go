package optim

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// goldenSteps is NAME.json in testdata/golden/optim.
type goldenSteps struct {
	Optim       string    `json:"optim"`
	OptimArgs   string    `json:"optim_args"`
	LR          float64   `json:"lr"`
	Betas       []float64 `json:"betas"`
	Eps         float64   `json:"eps"`
	WeightDecay float64   `json:"weight_decay"`
	Steps       int       `json:"steps"`
	Params      []string  `json:"params"`
}

func (g goldenSteps) rule(t *testing.T) Rule {
	t.Helper()
	rule, err := NewRule(Settings{Optim: g.Optim, OptimArgs: g.OptimArgs, AdamBeta1: g.Betas[0], AdamBeta2: g.Betas[1], AdamEpsilon: g.Eps})
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// shape is a parameter's, [rows, cols].
func shape(s []int) (rows, cols int) {
	if len(s) == 1 {
		return 1, s[0]
	}
	return s[0], s[1]
}

// eachGolden calls f for every optimizer in testdata/golden/optim.
func eachGolden(t *testing.T, f func(t *testing.T, name string, g goldenSteps, steps, want *golden.File)) {
	for _, root := range golden.Roots(t, "optim") {
		all, err := filepath.Glob(filepath.Join(root, "*.json"))
		if err != nil || len(all) == 0 {
			t.Fatalf("%s has no optimizers (%v)", root, err)
		}
		for _, path := range all {
			name := strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(name, func(t *testing.T) {
				var g goldenSteps
				golden.JSON(t, path, &g)
				f(t, name, g, golden.Open(t, filepath.Join(root, "steps.safetensors")), golden.Open(t, strings.TrimSuffix(path, ".json")+".safetensors"))
			})
		}
	}
}

// goldenRun takes the steps, from one on, and returns the optimizer. A parameter's LRScale is its number, and every other one decays.
func goldenRun(t *testing.T, g goldenSteps, steps *golden.File, from int, load string) *Optimizer {
	t.Helper()
	var params []model.Param
	decays := map[string]bool{}
	for i, name := range g.Params {
		rows, cols := shape(steps.Shape(t, "start."+name))
		params = append(params, model.Param{Name: name, Param: op.NewParam(steps.Float32(t, "start."+name), rows, cols), LRScale: float64(i + 1)})
		decays[name] = i%2 == 1
	}
	o := New(g.rule(t), params, Options{WeightDecay: g.WeightDecay, NoDecay: func(p model.Param) bool { return !decays[p.Name] }})
	if load != "" {
		if err := o.Load(load); err != nil {
			t.Fatal(err)
		}
	}
	for s := from; s < g.Steps; s++ {
		takeStep(t, o, steps, s, g.LR)
	}
	return o
}

func takeStep(t *testing.T, o *Optimizer, steps *golden.File, s int, lr float64) {
	t.Helper()
	for _, p := range o.Params() {
		copy(op.Grad(p.Param).Data, steps.Float32(t, fmt.Sprintf("grad%d.%s", s, p.Name)))
	}
	o.Step(lr)
	for _, p := range o.Params() {
		for i, v := range steps.Float32(t, fmt.Sprintf("grad%d.%s", s, p.Name)) {
			if op.Grad(p.Param).Data[i] != v {
				t.Fatalf("%s: the step has changed the gradient", p.Name)
			}
		}
	}
	o.ZeroGrad()
}

// TestGolden takes the steps that PyTorch, transformers and bitsandbytes have taken. Parameters must be within 2e-6 of theirs; with
// adamw_8bit 99.9 % of the parameters and of the codes, since a moment in the middle between two codes has either.
func TestGolden(t *testing.T) {
	eachGolden(t, func(t *testing.T, name string, g goldenSteps, steps, want *golden.File) {
		o := goldenRun(t, g, steps, 0, "")
		n, off := 0, 0
		for i, p := range o.Params() {
			worst := 0.0
			for j, w := range want.Float32(t, "final."+p.Name) {
				d := math.Abs(float64(op.Data(p.Param).Data[j] - w))
				n++
				if !(d <= 2e-6) {
					off++
					worst = max(worst, d)
				}
			}
			if worst > 0 {
				t.Logf("%s is off by up to %.2g", p.Name, worst)
			}
			for k := range 2 {
				codes := fmt.Sprintf("state%d.%s", k+1, p.Name)
				if name != "adamw8bit" || o.states[i][0].Uint8 == nil {
					continue
				}
				for j, c := range want.Int(t, codes) {
					n++
					if int(o.states[i][k].Uint8[j]) != c {
						off++
					}
				}
			}
		}
		if allowed := map[string]int{"adamw8bit": n / 1000}[name]; off > allowed {
			t.Errorf("%d of %d values and codes are off, %d may be", off, n, allowed)
		}
	})
}

// TestThreadsAndState: any number of threads gives the same bits, and so does a state that is saved and loaded.
func TestThreadsAndState(t *testing.T) {
	defer tensor.SetThreads(0)
	eachGolden(t, func(t *testing.T, _ string, g goldenSteps, steps, _ *golden.File) {
		tensor.SetThreads(1)
		one := goldenRun(t, g, steps, 0, "")
		tensor.SetThreads(3)
		sameParams(t, "3 threads", goldenRun(t, g, steps, 0, ""), one)
		short := g
		short.Steps = 3
		half := goldenRun(t, short, steps, 0, "")
		path := filepath.Join(t.TempDir(), "optimizer.safetensors")
		if err := half.Save(path); err != nil {
			t.Fatal(err)
		}
		rest := goldenRun(t, g, steps, g.Steps, path) // the state of step 3, at the start's parameters
		for i, p := range rest.Params() {
			copy(op.Data(p.Param).Data, op.Data(half.Params()[i].Param).Data)
		}
		for s := 3; s < g.Steps; s++ {
			takeStep(t, rest, steps, s, g.LR)
		}
		sameParams(t, "a loaded state", rest, one)
	})
}

func sameParams(t *testing.T, what string, got, want *Optimizer) {
	t.Helper()
	for i, p := range got.Params() {
		w := op.Data(want.Params()[i].Param).Data
		for j, v := range op.Data(p.Param).Data {
			if v != w[j] {
				t.Fatalf("%s: value %d of %s is %g, want %g", what, j, p.Name, v, w[j])
			}
		}
	}
}
