package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Against runs the inputs of a reference file through the model with the named adapter ("" is the base alone) and
// compares what the file holds: input_ids, and where they are there attention_mask and token_type_ids [rows, length],
// padded on the right; what the head is scored by (labels [rows, length], one a row for sequence classification, [rows,
// target length] for a sequence-to-sequence model; start_positions and end_positions [rows] for question answering);
// logits (start_logits and end_logits [rows, length] for question answering), looked at where nothing is padding; loss,
// the mean over what is scored; grad.PARAMETER of it, with the parameter's name as Hugging Face or PEFT has it. What the
// file lacks is skipped; a gradient in it that belongs to no parameter is an error. Question answering keeps the padding:
// transformers scores padded places too.
func Against(ctx context.Context, m *model.Model, adapter, path string) (Report, error) {
	r, err := run(ctx, m, adapter, path)
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", path, err)
	}
	return r, nil
}

func run(ctx context.Context, m *model.Model, adapter, path string) (Report, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	v := &verification{m: m, adapter: adapter, file: f}
	if err := v.inputs(); err != nil {
		return nil, err
	}
	if err := v.logits(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := v.gradients(); err != nil {
		return nil, err
	}
	if len(v.report) == 0 {
		return nil, errors.New("holds nothing to compare: neither logits nor loss nor grad.PARAMETER")
	}
	return v.report, nil
}

// verification is the state of Against.
type verification struct {
	m               *model.Model
	adapter         string
	file            *checkpoint.Checkpoint
	headKind        head.Kind
	batch           *model.Batch
	positions       []int // where the batch's tokens stand in the padded rows
	outputPositions []int // where the outputs that the logits are compared at stand, where that is not at
	length          int   // of the padded rows
	rows            int
	unfrozen        []*model.Weight // what is frozen again afterwards
	zeroGrad        float64         // gradients below it are nothing
	report          Report
}

// compare adds a comparison to the report.
func (v *verification) compare(name string, got, want []float32, relative bool) {
	most, scale := 0.0, 0.0
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); d > most || math.IsNaN(d) {
			most = d
		}
		scale = math.Max(scale, math.Abs(float64(w)))
		if math.IsNaN(most) {
			break
		}
	}
	if relative && scale < v.zeroGrad {
		scale = 1000 * v.zeroGrad
	}
	if relative && most != 0 {
		most /= scale
	}
	v.report = append(v.report, Comparison{Name: name, Difference: JSONFloat(most), Relative: relative, Values: len(want)})
}

// logits compares the head's outputs: with the column that a file has of them, or with all.
func (v *verification) logits() error {
	names := []string{"logits"}
	if v.headKind == head.QuestionAnswering {
		names = []string{"start_logits", "end_logits"}
	}
	if _, ok := v.file.Get(names[0]); !ok {
		return nil
	}
	p := &op.Pass{Adapter: v.adapter}
	defer p.Release()
	got, err := v.m.Logits(p, v.batch, nil, nil)
	if err != nil {
		return err
	}
	at, cols := v.positions, got.Cols/len(names)
	if v.outputPositions != nil {
		at = v.outputPositions
	}
	for c, name := range names {
		t, ok := v.file.Get(name)
		if !ok {
			continue
		}
		if n := len(t.Shape); n < 1 || len(names) == 1 && t.Shape[n-1] != cols || t.Size() < (slices.Max(at)+1)*cols {
			return fmt.Errorf("%s has shape %v; the model makes %d values for each of %d places", name, t.Shape, cols, len(at))
		}
		padded, err := t.Float32s()
		if err != nil {
			return err
		}
		var have, want []float32
		for r, i := range at {
			have = append(have, got.Row(r)[c*cols:(c+1)*cols]...)
			want = append(want, padded[i*cols:(i+1)*cols]...)
		}
		if len(names) > 1 {
			name = "logits." + strings.TrimSuffix(name, "_logits")
		}
		v.compare(name, have, want, false)
	}
	return nil
}

// gradients compares the loss, and the gradients in the file.
func (v *verification) gradients() error {
	params, err := v.params()
	if err != nil {
		return err
	}
	defer v.freeze()
	loss, hasLoss := v.file.Get("loss")
	if !hasLoss && len(params) == 0 {
		return nil
	}
	if v.batch.Labels == nil && v.batch.FloatLabels == nil {
		return errors.New("has a loss or gradients, but no labels")
	}
	p := &op.Pass{Grad: len(params) > 0, Adapter: v.adapter}
	defer p.Release()
	losses, err := v.m.Loss(p, v.batch)
	if err != nil {
		return err
	}
	n, sum := op.Matrix(losses).Rows, 0.0
	for _, x := range op.Matrix(losses).Data {
		sum += float64(x)
	}
	if hasLoss {
		want, err := loss.Float32s()
		if err != nil {
			return err
		}
		if len(want) != 1 {
			return fmt.Errorf("loss has %d values, want 1", len(want))
		}
		v.compare("loss", []float32{float32(sum / float64(n))}, want, false)
	}
	if len(params) == 0 {
		return nil
	}
	if err := p.Backward(losses, 1/float32(n)); err != nil {
		return err
	}
	return v.compareGradients(params)
}

// zeroGradRatio is below what part of the largest gradient of all a tensor's gradient counts as zero, and is measured by a
// thousand times that: a key's bias has none but for rounding, since it moves all scores of a query alike.
const zeroGradRatio = 1e-6

func (v *verification) compareGradients(params map[string]*nn.Param) error {
	for _, p := range params {
		for _, g := range op.Grad(p).Data {
			v.zeroGrad = math.Max(v.zeroGrad, zeroGradRatio*math.Abs(float64(g)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		t, _ := v.file.Get(name)
		want, err := t.Float32s()
		if err != nil {
			return err
		}
		p := params[name]
		if len(want) != p.Size() || len(t.Shape) == 2 && t.Shape[0] != p.Shape()[0] {
			return fmt.Errorf("%s has shape %v, the parameter %v", name, t.Shape, p.Shape())
		}
		v.compare(name, op.Grad(p).Data, want, true)
	}
	for _, p := range params {
		p.ZeroGrad()
	}
	return nil
}

func (v *verification) freeze() {
	for _, w := range v.unfrozen {
		for ; w.Tied() != nil; w = w.Tied() {
		}
		w.Freeze()
	}
}

// params finds the parameter of every gradient in the file and makes it trainable.
func (v *verification) params() (map[string]*nn.Param, error) {
	wanted := map[string]string{} // by the parameter's name: that in the file
	for _, name := range v.file.Names() {
		if p, ok := strings.CutPrefix(name, "grad."); ok {
			wanted[plainName(p)] = name
		}
	}
	found := map[string]*nn.Param{}
	take := func(name string, param func() *nn.Param) {
		if key, ok := wanted[plainName(name)]; ok { // the name in the file
			found[key] = param()
			delete(wanted, plainName(name))
		}
	}
	v.m.Weights(func(w *model.Weight) {
		if w.Buffer() {
			return
		}
		take(w.Name, func() *nn.Param {
			if p := w.Param(v.adapter); p != nil {
				return p
			}
			v.unfrozen = append(v.unfrozen, w)
			return w.Train()
		})
	})
	v.m.Linears(func(l *model.Linear) {
		if a := l.Adapter(v.adapter); a != nil {
			for _, p := range a.Params() {
				take(l.Path()+"."+p.Name, func() *nn.Param { return p.Param })
			}
		}
	})
	if len(wanted) > 0 {
		return nil, fmt.Errorf("has gradients of what is no parameter here: %s", wording.List(slices.Sorted(maps.Values(wanted)), 6, ", "))
	}
	return found, nil
}

// plainName is a parameter's name without what PEFT wraps round it.
func plainName(name string) string {
	name = strings.TrimPrefix(name, "base_model.model.")
	for _, s := range []string{".base_layer", ".modules_to_save.default", ".default"} {
		name = strings.Replace(name, s, "", 1)
	}
	for _, s := range []string{".lora_A", ".lora_B", ".lora_magnitude_vector", ".magnitude"} {
		if rest, ok := strings.CutSuffix(strings.TrimSuffix(name, ".weight"), s); ok {
			return rest + strings.Replace(s, "lora_magnitude_vector", "magnitude", 1)
		}
	}
	return name
}
