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
	"github.com/spagotune/spagotune/tensor"
)

// Against runs the inputs in a reference file through the model with the named adapter ("" means the base alone) and
// compares the results with those in the file. The file is a safetensors file with these tensors:
//
//   - input_ids [rows, length], and optionally attention_mask and token_type_ids of the same shape. Rows are padded on the
//     right.
//   - The labels, named as in transformers: labels [rows, length] for language models and token classification, [rows] for
//     sequence classification, [rows, target length] for sequence-to-sequence models; start_positions and end_positions
//     [rows] for question answering.
//   - logits, or start_logits and end_logits [rows, length] for question answering. Padding is not compared.
//   - loss, the mean over everything that is scored.
//   - grad.PARAMETER, the gradient of the loss, with the name that the parameter has in transformers or PEFT.
//
// What the file lacks is skipped. A gradient of an unknown parameter is an error. For question answering the padding is
// kept, since transformers scores padded positions too.
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
	v := &verification{m: m, adapter: adapter, file: f, transposed: map[*nn.Param]*model.Weight{},
		entries: map[string][]*nn.Param{}}
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
		return nil, errors.New("has nothing to compare: no logits, no loss and no grad.PARAMETER")
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
	rows, length    int                         // shape of the padded input_ids
	positions       []int                       // of the batch's tokens in the padded rows
	outputPositions []int                       // of the outputs in the file's padded logits; nil if they are the positions of the tokens
	unfrozen        []*model.Weight             // weights that were made trainable and must be frozen again
	transposed      map[*nn.Param]*model.Weight // the weights, of the parameters, that a checkpoint holds transposed
	entries         map[string][]*nn.Param      // the parameters whose gradients are the entries of a tensor, by its name in the file
	zeroGrad        float64                     // a tensor whose largest gradient is below this counts as zero
	report          Report
}

// compare adds a comparison to the report.
func (v *verification) compare(name string, got, want []float32, relative bool) {
	largest, scale := 0.0, 0.0
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); d > largest || math.IsNaN(d) {
			largest = d
		}
		scale = math.Max(scale, math.Abs(float64(w)))
		if math.IsNaN(largest) {
			break
		}
	}
	if relative && scale < v.zeroGrad {
		scale = 1000 * v.zeroGrad
	}
	if relative && largest != 0 {
		largest /= scale
	}
	v.report = append(v.report, Comparison{Name: name, Difference: JSONFloat(largest), Relative: relative, Values: len(want)})
}

// logits compares the outputs of the head. The file has them in one tensor, or for question answering in a tensor for
// each of the two columns.
func (v *verification) logits() error {
	names := []string{"logits"}
	if v.headKind == head.QuestionAnswering {
		names = []string{"start_logits", "end_logits"}
	}
	if _, ok := v.file.Get(names[0]); !ok {
		return nil
	}
	return op.Inference(v.adapter, func(p *op.Pass) error {
		got, err := v.m.Logits(p, v.batch, nil, nil)
		if err != nil {
			return err
		}
		if v.headKind == head.MultipleChoice { // a row for each question, with an output for each choice
			got = tensor.View(got.Data, v.rows, len(got.Data)/v.rows)
		}
		cols := got.Cols / len(names)
		for i, name := range names {
			if err := v.compareLogits(name, got.Slice(0, i*cols, got.Rows, cols)); err != nil {
				return err
			}
		}
		return nil
	})
}

// compareLogits compares outputs [positions, columns] with a padded tensor of the file, if it is there.
func (v *verification) compareLogits(name string, got tensor.Matrix) error {
	t, ok := v.file.Get(name)
	if !ok {
		return nil
	}
	positions := v.positions
	if v.outputPositions != nil {
		positions = v.outputPositions
	}
	cols := got.Cols
	if n := len(t.Shape); n < 1 || name == "logits" && t.Shape[n-1] != cols || t.Size() < (slices.Max(positions)+1)*cols {
		return fmt.Errorf("%s has shape %v; the model computes %d values for each of %d positions", name, t.Shape, cols, len(positions))
	}
	padded, err := t.Float32s()
	if err != nil {
		return err
	}
	var have, want []float32
	for r, i := range positions {
		have = append(have, got.Row(r)...)
		want = append(want, padded[i*cols:(i+1)*cols]...)
	}
	if part, ok := strings.CutSuffix(name, "_logits"); ok {
		name = "logits." + part
	}
	v.compare(name, have, want, false)
	return nil
}

// gradients compares the loss and the gradients.
func (v *verification) gradients() error {
	params, err := v.gradientParams()
	if err != nil {
		return err
	}
	defer v.freeze()
	loss, hasLoss := v.file.Get("loss")
	if !hasLoss && len(params) == 0 {
		return nil
	}
	if v.batch.Labels == nil && v.batch.FloatLabels == nil && v.headKind != head.FeatureExtraction {
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

// zeroGradRatio decides which gradients count as zero: those of a tensor whose largest gradient is below this fraction
// of the largest gradient of all. Their error is divided by 1,000 times that bound. (The gradient of a key's bias is
// zero but for rounding, since the bias shifts all scores of a query equally.)
const zeroGradRatio = 1e-6

// compareGradients compares the gradients of the parameters, by their names in the file, and clears them.
func (v *verification) compareGradients(params map[string]*nn.Param) error {
	for _, p := range params {
		for _, g := range op.Grad(p).Data {
			v.zeroGrad = math.Max(v.zeroGrad, zeroGradRatio*math.Abs(float64(g)))
		}
	}
	for _, name := range v.file.Names() {
		of := v.entries[name]
		if p := params[name]; p != nil {
			of = []*nn.Param{p}
		}
		if err := v.compareGradient(name, of); err != nil {
			return err
		}
	}
	for _, p := range params {
		p.ZeroGrad()
	}
	return nil
}

// compareGradient compares a tensor of the file with the gradients of the parameters that lie in it one after the other.
func (v *verification) compareGradient(name string, of []*nn.Param) error {
	if len(of) == 0 {
		return nil
	}
	t, _ := v.file.Get(name)
	want, err := t.Float32s()
	if err != nil {
		return err
	}
	var got []float32
	shape := of[0].Shape()
	for _, p := range of {
		g := op.Grad(p).Data
		if w := v.transposed[p]; w != nil {
			shape, g = []int{w.Shape[1], w.Shape[0]}, w.Transpose(g)
		}
		got = append(got, g...)
	}
	if len(want) != len(got) || len(of) == 1 && len(t.Shape) == 2 && t.Shape[0] != shape[0] {
		return fmt.Errorf("%s has shape %v, the parameter %v", name, t.Shape, shape)
	}
	v.compare(name, got, want, true)
	return nil
}

// freeze freezes the weights that gradientParams made trainable.
func (v *verification) freeze() {
	for _, w := range v.unfrozen {
		for ; w.Tied() != nil; w = w.Tied() {
		}
		w.Freeze()
	}
}

// gradientParams finds the parameter of every gradient in the file and makes it trainable. It returns the parameters by
// their names in the file.
func (v *verification) gradientParams() (map[string]*nn.Param, error) {
	wanted := map[string]string{} // from the plain name of a parameter to its name in the file
	for _, name := range v.file.Names() {
		if p, ok := strings.CutPrefix(name, "grad."); ok {
			wanted[plainName(p)] = name
		}
	}
	found := map[string]*nn.Param{}
	take := func(name string, param func() *nn.Param) {
		if inFile, ok := wanted[plainName(name)]; ok {
			found[inFile] = param()
			delete(wanted, plainName(name))
		}
	}
	param := func(w *model.Weight) *nn.Param {
		p := w.Param(v.adapter)
		if p == nil {
			v.unfrozen = append(v.unfrozen, w)
			p = w.Train()
		}
		if w.Transposed() {
			v.transposed[p] = w
		}
		return p
	}
	entries := map[string]bool{} // parameters whose entries are weights
	v.m.Weights(func(w *model.Weight) {
		if parameter, i, n := w.Entry(); n > 0 {
			if inFile, ok := wanted[parameter]; ok {
				found[fmt.Sprintf("%s[%d]", inFile, i)] = param(w)
				v.entries[inFile] = append(v.entries[inFile], param(w))
				entries[parameter] = true
			}
		}
		if w.Buffer() {
			return
		}
		take(w.Name, func() *nn.Param { return param(w) })
	})
	v.m.Linears(func(l *model.Linear) {
		if a := l.Adapter(v.adapter); a != nil {
			for _, p := range a.Params() {
				take(l.Path()+"."+p.Name, func() *nn.Param { return p.Param })
			}
		}
	})
	for parameter := range entries {
		delete(wanted, parameter)
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("has gradients of unknown parameters: %s", wording.List(slices.Sorted(maps.Values(wanted)), 6, ", "))
	}
	return found, nil
}

// plainName returns a parameter's name without the prefixes and suffixes that PEFT adds.
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
