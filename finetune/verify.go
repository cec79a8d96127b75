package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/op"
	"github.com/spagotune/spagotune/model"
)

// Comparison is how far a value is from the reference's.
type Comparison struct {
	// Name is logits (of question answering logits.start and logits.end), loss or grad.PARAMETER.
	Name string `json:"name"`
	// Difference is the largest one, for gradients over the largest magnitude of the reference.
	Difference Number `json:"difference"`
	// Relative says that it was divided so.
	Relative bool `json:"relative"`
	// Values is how many were compared.
	Values int `json:"values"`
}

// Number is a float64 that may be NaN or infinite; in JSON that is a text.
type Number float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (n Number) MarshalJSON() ([]byte, error) {
	if !finite(float64(n)) {
		return fmt.Appendf(nil, "%q", fmt.Sprint(float64(n))), nil
	}
	return json.Marshal(float64(n))
}

// Within says whether the difference is no larger than the tolerance; NaN never is.
func (c Comparison) Within(tolerance float64) bool { return float64(c.Difference) <= tolerance }

// Report is what Verify compared: what the file holds of logits, loss and gradients, in that order.
type Report []Comparison

// Worst is the comparison with the largest difference among those whose name has the prefix.
func (r Report) Worst(prefix string) (worst Comparison, n int) {
	for _, c := range r {
		if !strings.HasPrefix(c.Name, prefix) {
			continue
		}
		if n++; n == 1 || c.Difference > worst.Difference || math.IsNaN(float64(c.Difference)) {
			worst = c
		}
	}
	return worst, n
}

// Beyond counts the comparisons that are not within the tolerance, and returns the worst of all.
func (r Report) Beyond(tolerance float64) (worst Comparison, n int) {
	for _, c := range r {
		if !c.Within(tolerance) {
			n++
		}
	}
	worst, _ = r.Worst("")
	return worst, n
}

// Verify runs the inputs of a reference file through the model with the named adapter ("" is the base alone) and
// compares what the file holds: input_ids, and where they are there attention_mask, token_type_ids and labels [rows,
// length], padded on the right; logits [rows, length, outputs], looked at where attention_mask is 1; loss, the mean over
// all that is scored; grad.PARAMETER of it, with the parameter's name as Hugging Face or PEFT has it. For sequence
// classification labels is [rows], or [rows, outputs] floats, and logits [rows, outputs]; for question answering there are
// start_positions, end_positions [rows] and start_logits, end_logits [rows, length]; for a sequence-to-sequence model
// labels and logits have the targets' length, and logits are looked at where labels are scored. What the file lacks is
// skipped; a gradient in it that belongs to no parameter is an error.
func Verify(m *model.Model, adapter, path string) (Report, error) {
	r, err := verify(m, adapter, path)
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", path, err)
	}
	return r, nil
}

func verify(m *model.Model, adapter, path string) (Report, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	v := &verification{m: m, adapter: adapter, reference: reference{kind: m.Head().Kind, file: f}}
	if err := v.inputs(); err != nil {
		return nil, err
	}
	if err := v.logits(); err != nil {
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

// verification is the state of Verify.
type verification struct {
	reference
	m       *model.Model
	adapter string
	trained []*model.Weight // what is frozen again afterwards
	report  Report
}

// noise is up to what part of the largest gradient of all a tensor's gradients are rounding alone, such as those of the
// keys' biases, by which softmax does not change.
const noise = 1e-6

// compare adds a comparison to the report. A relative one is over the largest magnitude of want, or where that is noise
// beside largest over a thousandth of that.
func (v *verification) compare(name string, got, want []float32, relative bool, largest float64) {
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
	if scale < noise*largest {
		scale = largest / 1000
	}
	if relative && most != 0 {
		most /= scale
	}
	v.report = append(v.report, Comparison{Name: name, Difference: Number(most), Relative: relative, Values: len(want)})
}

// logits compares the head's outputs.
func (v *verification) logits() error {
	names := []string{"logits"}
	if v.kind == model.QuestionAnswering {
		names = []string{"start_logits", "end_logits"} // in the report logits.start, logits.end
	}
	if !slices.ContainsFunc(names, func(n string) bool { _, ok := v.file.Get(n); return ok }) {
		return nil
	}
	tape := op.NewTape(false)
	tape.Adapter = v.adapter
	defer tape.Release()
	got, err := v.m.Logits(tape, v.batch, v.outputs, nil)
	if err != nil {
		return err
	}
	for column, name := range names {
		t, ok := v.file.Get(name)
		switch {
		case !ok:
		case v.kind == model.QuestionAnswering:
			err = v.columnOf(got, column, name, t)
		default:
			err = v.rowsOf(got, name, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOf compares outputs with rows of a tensor.
func (v *verification) rowsOf(got gemm.Mat, name string, t checkpoint.Tensor) error {
	if want := append(slices.Clone(v.shape), got.Cols); !slices.Equal(t.Shape, want) {
		return fmt.Errorf("%s has shape %v, want %v", name, t.Shape, want)
	}
	padded, err := t.Float32s()
	if err != nil {
		return err
	}
	var want []float32
	for _, i := range v.at {
		want = append(want, padded[i*got.Cols:(i+1)*got.Cols]...)
	}
	v.compare(name, got.Data, want, false, 0)
	return nil
}

// columnOf compares a column of the outputs with a tensor, but for the padding.
func (v *verification) columnOf(got gemm.Mat, column int, name string, t checkpoint.Tensor) error {
	if !slices.Equal(t.Shape, v.shape) {
		return fmt.Errorf("%s has shape %v, want %v", name, t.Shape, v.shape)
	}
	padded, err := t.Float32s()
	if err != nil {
		return err
	}
	var own, want []float32
	for d, n := range v.batch.Visible {
		for i := v.batch.Bounds[d]; i < v.batch.Bounds[d]+n; i++ {
			own, want = append(own, got.Row(i)[column]), append(want, padded[v.at[i]])
		}
	}
	v.compare("logits."+strings.TrimSuffix(name, "_logits"), own, want, false, 0)
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
	if v.batch.Labels == nil && v.batch.Values == nil && v.kind != model.Embedding {
		return errors.New("has a loss or gradients, but no labels")
	}
	tape := op.NewTape(len(params) > 0)
	tape.Adapter = v.adapter
	defer tape.Release()
	losses, err := v.m.Loss(tape, v.batch)
	if err != nil {
		return err
	}
	n, sum := op.Mat(losses).Rows, 0.0
	for _, x := range op.Mat(losses).Data {
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
		v.compare("loss", []float32{float32(sum / float64(n))}, want, false, 0)
	}
	if len(params) == 0 {
		return nil
	}
	if err := tape.Backward(losses, 1/float32(n)); err != nil {
		return err
	}
	return v.compareGradients(params)
}

func (v *verification) compareGradients(params map[string]*nn.Param) error {
	wanted, largest := map[string][]float32{}, 0.0
	for name, p := range params {
		t, _ := v.file.Get(name)
		want, err := t.Float32s()
		if err != nil {
			return err
		}
		if len(want) != p.Size() || len(t.Shape) == 2 && t.Shape[0] != p.Shape()[0] {
			return fmt.Errorf("%s has shape %v, the parameter %v", name, t.Shape, p.Shape())
		}
		wanted[name] = want
		for _, g := range want {
			largest = max(largest, math.Abs(float64(g)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		v.compare(name, op.Grad(params[name]).Data, wanted[name], true, largest)
	}
	for _, p := range params {
		p.ZeroGrad()
	}
	return nil
}

func (v *verification) freeze() {
	for _, w := range v.trained {
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
		if w.Computed() {
			return
		}
		take(w.Name, func() *nn.Param {
			if p := w.Param(v.adapter); p != nil {
				return p
			}
			v.trained = append(v.trained, w)
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
		return nil, fmt.Errorf("has gradients of what is no parameter here: %s", few(slices.Sorted(maps.Values(wanted)), 6))
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

// few joins up to n names and says how many more there are.
func few(names []string, n int) string {
	if len(names) > n {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
	}
	return strings.Join(names, ", ")
}
