package model

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// goldenBatch is a batch of a golden file. at has the indices, in the file's padded rows, of what is scored.
type goldenBatch struct {
	*Batch
	at []int
}

// readGolden reads a file's padded rows as a batch without padding, for a head of that kind. Question answering keeps the
// padding, which transformers scores too.
func readGolden(t testing.TB, f *golden.File, kind head.Kind) goldenBatch {
	g := goldenBatch{Batch: &Batch{CuSeqLens: []int{0}}}
	ids, shape := f.Int(t, "input_ids"), f.Shape(t, "input_ids")
	if kind == head.MultipleChoice { // questions, choices, tokens
		g.Choices = slices.Repeat(shape[1:2], shape[0])
		shape = []int{shape[0] * shape[1], shape[2]}
	}
	mask := slices.Repeat([]int{1}, len(ids))
	if f.Has("attention_mask") {
		mask = f.Int(t, "attention_mask")
	}
	types := optional(t, f, "token_type_ids")
	for r := range shape[0] {
		visible := 0
		for c := range shape[1] {
			i := r*shape[1] + c
			visible += mask[i]
			if mask[i] == 0 && kind != head.QuestionAnswering {
				continue
			}
			g.at = append(g.at, i)
			g.IDs = append(g.IDs, int32(ids[i]))
			if types != nil {
				g.TokenTypeIDs = append(g.TokenTypeIDs, int32(types[i]))
			}
		}
		g.CuSeqLens = append(g.CuSeqLens, len(g.IDs))
		if kind == head.QuestionAnswering {
			g.AttentionLengths = append(g.AttentionLengths, visible)
		}
	}
	g.label(t, f, kind)
	return g
}

func optional(t testing.TB, f *golden.File, name string) []int {
	if !f.Has(name) {
		return nil
	}
	return f.Int(t, name)
}

// label reads the labels.
func (g *goldenBatch) label(t testing.TB, f *golden.File, kind head.Kind) {
	labels := optional(t, f, "labels")
	switch kind {
	case head.QuestionAnswering:
		last := f.Int(t, "end_positions")
		for d, first := range f.Int(t, "start_positions") {
			g.Labels = append(g.Labels, int32(first), int32(last[d]))
		}
	case head.SequenceClassification:
		g.at = g.at[:0]
		for d, l := range labels {
			g.at, g.Labels = append(g.at, d), append(g.Labels, int32(l))
		}
	case head.FeatureExtraction, head.MultipleChoice:
		g.at = every(len(g.CuSeqLens) - 1)
		for _, l := range labels {
			g.Labels = append(g.Labels, int32(l))
		}
	case head.Seq2SeqLM:
		g.targets(labels, f.Shape(t, "labels"))
	default:
		for _, i := range g.at {
			if labels != nil {
				g.Labels = append(g.Labels, int32(labels[i]))
			}
		}
	}
}

// targets reads labels without the padding at their ends.
func (g *goldenBatch) targets(labels, shape []int) {
	g.at, g.TargetCuSeqLens = nil, []int{0}
	for r := range shape[0] {
		row := labels[r*shape[1] : (r+1)*shape[1]]
		n := len(row)
		for n > 1 && row[n-1] == head.IgnoreIndex {
			n--
		}
		for c := range n {
			g.Labels = append(g.Labels, int32(row[c]))
			g.at = append(g.at, r*shape[1]+c)
		}
		g.TargetCuSeqLens = append(g.TargetCuSeqLens, len(g.Labels))
	}
}

// rowsAt gathers the rows of padded values.
func rowsAt(v []float32, at []int, cols int) []float32 {
	var out []float32
	for _, i := range at {
		out = append(out, v[i*cols:(i+1)*cols]...)
	}
	return out
}

// TestGoldenModels compares logits, loss, every gradient, greedy generation and beam search with transformers'
// (testdata/golden/README.md).
func TestGoldenModels(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		t.Run(c.Name, func(t *testing.T) {
			m, err := Load(t.Context(), c.Dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			f := golden.Open(t, c.Path("io.safetensors"))
			b := readGolden(t, f, m.Head().Kind)
			checkLogits(t, m, f, b, false)
			checkLogits(t, m, f, b, true)
			checkGradients(t, m, f, b)
			checkGeneration(t, m, f)
		})
	}
}

// checkLogits allows 2e-4, and in bfloat16 5e-2 of the largest magnitude: 8 bits a value, and norms that amplify what is left
// of sums that nearly cancel out.
func checkLogits(t *testing.T, m *Model, f *golden.File, b goldenBatch, bf16 bool) {
	p, tolerance := &op.Pass{BF16: bf16}, 2e-4
	if bf16 {
		tolerance = 5e-2
	}
	defer p.Release()
	got, err := m.Logits(p, b.Batch, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Head().Kind != head.QuestionAnswering {
		golden.Close(t, "logits", got.Data, rowsAt(f.Float32(t, "logits"), b.at, got.Cols), tolerance, bf16)
		return
	}
	for c, name := range []string{"start_logits", "end_logits"} {
		var column, want []float32
		for i, v := range f.Float32(t, name) {
			if d := i / (len(b.IDs) / len(b.AttentionLengths)); i-b.CuSeqLens[d] < b.AttentionLengths[d] {
				column, want = append(column, got.Row(i)[c]), append(want, v)
			}
		}
		golden.Close(t, name, column, want, tolerance, bf16)
	}
}

func checkGradients(t *testing.T, m *Model, f *golden.File, b goldenBatch) {
	m.Weights(func(w *Weight) { w.Train() })
	defer m.Weights(func(w *Weight) { w.Freeze() })
	p := &op.Pass{Grad: true}
	defer p.Release()
	losses, err := m.Loss(p, b.Batch)
	if err != nil {
		t.Fatal(err)
	}
	n, sum := op.Matrix(losses).Rows, 0.0
	for _, v := range op.Matrix(losses).Data {
		sum += float64(v)
	}
	golden.Close(t, "loss", []float32{float32(sum / float64(n))}, f.Float32(t, "loss"), 2e-5, false)
	if err := p.Backward(losses, 1/float32(n)); err != nil {
		t.Fatal(err)
	}
	most, want := 0.0, 0
	for _, name := range f.Names() {
		if strings.HasPrefix(name, "grad.") {
			want++
			most = max(most, magnitude(f.Float32(t, name)))
		}
	}
	seen := 0
	m.Weights(func(w *Weight) {
		if parameter, e, n := w.Entry(); n > 0 && f.Has("grad."+parameter) {
			if e == 0 {
				seen++
			}
			all := f.Float32(t, "grad."+parameter)
			checkGradient(t, w.Name, gradient(w), all[e*len(all)/n:(e+1)*len(all)/n], most)
			return
		}
		if name := "grad." + w.Name; f.Has(name) {
			seen++
			checkGradient(t, name, gradient(w), f.Float32(t, name), most)
		}
	})
	if seen != want || want == 0 {
		t.Errorf("%d gradients compared, the file has %d", seen, want)
	}
}

// gradient is a weight's, in the order of a checkpoint.
func gradient(w *Weight) []float32 {
	g := op.Grad(w.Param(""))
	if w.transposed {
		return transpose(g.Data, g.Rows, g.Cols)
	}
	return g.Data
}

// checkGradient allows 1e-3 of the tensor's largest magnitude. Some gradients are zero but for rounding, such as those of the
// keys' biases, which do not change the softmax: there it allows 1e-6 of most, the largest magnitude of the file.
func checkGradient(t *testing.T, name string, got, want []float32, most float64) {
	if magnitude(want) < 1e-6*most {
		golden.Close(t, name, got, make([]float32, len(want)), 1e-6*most, false)
		return
	}
	golden.Close(t, name, got, want, 1e-3, true)
}

func magnitude(v []float32) float64 { return golden.MaxAbs(v, make([]float32, len(v))) }

// checkGeneration compares a file's texts, each in a batch with another prompt. Those of causal models have no end token.
func checkGeneration(t *testing.T, m *Model, f *golden.File) {
	for name, beams := range map[string]int{"greedy": 1, "beam4": 4} {
		if !f.Has(name) {
			continue
		}
		s, err := m.GenerationConfig()
		if err != nil {
			t.Fatal(err)
		}
		want, prompt := f.Int(t, name), make([]int32, 8)
		if m.Head().Kind == head.Seq2SeqLM {
			first := readGolden(t, f, head.Seq2SeqLM)
			prompt, want = first.IDs[:first.CuSeqLens[1]], untilStop(want[1:], s.EOSTokenIDs)
			s.MaxNewTokens = 16
		} else {
			for i := range prompt {
				prompt[i] = int32(want[i])
			}
			want, s.EOSTokenIDs, s.MaxNewTokens = want[8:], nil, len(want)-8
		}
		s.NumBeams = beams
		got, err := m.Generate(context.Background(), [][]int32{prompt[:3], prompt}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got[1], want, func(a int32, b int) bool { return int(a) == b }) {
			t.Errorf("%s tokens are %v, want %v", name, got[1], want)
		}
	}
}

func untilStop(ids []int, stop []int32) []int {
	if i := slices.IndexFunc(ids, func(id int) bool { return slices.Contains(stop, int32(id)) }); i >= 0 {
		return ids[:i]
	}
	return ids
}
