package finetune

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/model"
)

// reference is the padded inputs of a reference file, and the batch without padding that they are.
type reference struct {
	kind   model.Kind
	file   *checkpoint.Checkpoint
	rows   int // of input_ids
	length int
	docs   []int // the file's row of every document
	batch  *model.Batch
	// outputs are the rows of the head's outputs that are compared, nil for all; at is where these stand among the rows of
	// the file's logits, whose extents but the last are shape.
	outputs, at []int
	shape       []int
}

// ints reads a tensor of integers, of input_ids' shape; nil where the file has none.
func (v *reference) ints(name string) ([]int64, error) {
	t, ok := v.file.Get(name)
	if !ok {
		return nil, nil
	}
	if !slices.Equal(t.Shape, []int{v.rows, v.length}) {
		return nil, fmt.Errorf("%s has shape %v; input_ids has [%d %d]", name, t.Shape, v.rows, v.length)
	}
	return t.Int64s()
}

// inputs makes the batch of the file's rows.
func (v *reference) inputs() error {
	t, ok := v.file.Get("input_ids")
	if !ok {
		return fmt.Errorf("has no input_ids; it holds %s", few(v.file.Names(), 6))
	}
	if len(t.Shape) != 2 || t.Size() == 0 {
		return fmt.Errorf("input_ids has shape %v; want [rows, length]", t.Shape)
	}
	v.rows, v.length = t.Shape[0], t.Shape[1]
	v.shape = []int{v.rows, v.length}
	ids, err := v.ints("input_ids")
	if err != nil {
		return err
	}
	mask, err := v.ints("attention_mask")
	if err != nil {
		return err
	}
	types, err := v.ints("token_type_ids")
	if err != nil {
		return err
	}
	v.batch = &model.Batch{Bounds: []int{0}}
	for r := range v.rows {
		if err := v.row(r, ids, mask, types); err != nil {
			return err
		}
	}
	switch v.kind {
	case model.Seq2SeqLM:
		return v.targets()
	case model.SequenceClassification:
		return v.classes()
	case model.QuestionAnswering:
		return v.spans()
	}
	return v.tokenLabels(mask)
}

// row appends row r without its padding. Question answering keeps that: transformers scores these places too.
func (v *reference) row(r int, ids, mask, types []int64) error {
	b, visible := v.batch, 0
	for c := range v.length {
		i := r*v.length + c
		pad := mask != nil && mask[i] == 0
		switch {
		case !pad && visible < c:
			return fmt.Errorf("attention_mask: row %d has a 1 behind a 0; rows must be padded on the right", r)
		case ids[i] != int64(int32(ids[i])):
			return fmt.Errorf("input_ids: %d is no token", ids[i])
		}
		if !pad {
			visible++
		}
	}
	if visible == 0 {
		return nil
	}
	from, to := r*v.length, r*v.length+visible
	if v.kind == model.QuestionAnswering {
		b.Visible = append(b.Visible, visible)
		to = (r + 1) * v.length
	}
	for i := from; i < to; i++ {
		b.IDs = append(b.IDs, int32(ids[i]))
		v.at = append(v.at, i)
		if types != nil {
			b.Types = append(b.Types, narrow(types[i]))
		}
	}
	b.Bounds = append(b.Bounds, len(b.IDs))
	v.docs = append(v.docs, r)
	return nil
}

// narrow is a number that the model is to check, as an int32.
func narrow(n int64) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

// tokenLabels reads labels of input_ids' shape.
func (v *reference) tokenLabels(mask []int64) error {
	labels, err := v.ints("labels")
	if err != nil || labels == nil {
		return err
	}
	for i, l := range labels {
		if mask != nil && mask[i] == 0 && l != model.Ignore {
			return fmt.Errorf("labels: row %d scores the padding at %d; want %d where attention_mask is 0", i/v.length, i%v.length, model.Ignore)
		}
	}
	for _, i := range v.at {
		v.batch.Labels = append(v.batch.Labels, narrow(labels[i]))
	}
	return nil
}

// targets reads the labels of a sequence-to-sequence model, [rows, target length]; its logits are compared where these
// are scored.
func (v *reference) targets() error {
	t, ok := v.file.Get("labels")
	if !ok || len(t.Shape) != 2 || t.Shape[0] != v.rows {
		return fmt.Errorf("labels has shape %v; want [%d, length of the targets]", t.Shape, v.rows)
	}
	labels, err := t.Int64s()
	if err != nil {
		return err
	}
	b, width := v.batch, t.Shape[1]
	v.shape, v.at, b.TargetBounds = t.Shape, nil, []int{0}
	for _, r := range v.docs {
		row := labels[r*width : (r+1)*width]
		n := width
		for n > 1 && row[n-1] == model.Ignore {
			n--
		}
		for c, l := range row[:n] {
			if l != model.Ignore {
				v.outputs, v.at = append(v.outputs, len(b.Labels)), append(v.at, r*width+c)
			}
			b.Labels = append(b.Labels, narrow(l))
		}
		b.TargetBounds = append(b.TargetBounds, len(b.Labels))
	}
	return nil
}

// classes reads the labels of whole documents: a class each, or for several labels and for regression a value for each of
// the head's outputs.
func (v *reference) classes() error {
	v.shape, v.at = []int{v.rows}, v.docs
	t, ok := v.file.Get("labels")
	if !ok {
		return nil
	}
	values, err := t.Float32s()
	if err == nil && len(values)%v.rows == 0 {
		n := len(values) / v.rows
		for _, r := range v.docs {
			v.batch.Values = append(v.batch.Values, values[r*n:(r+1)*n]...)
		}
		return nil
	}
	labels, err := t.Int64s()
	if err != nil {
		return err
	}
	if len(labels) != v.rows {
		return fmt.Errorf("labels has shape %v; want [%d]", t.Shape, v.rows)
	}
	for _, r := range v.docs {
		v.batch.Labels = append(v.batch.Labels, narrow(labels[r]))
	}
	return nil
}

// spans reads where answers start and end.
func (v *reference) spans() error {
	first, starts := v.file.Get("start_positions")
	last, ends := v.file.Get("end_positions")
	switch {
	case !starts && !ends:
		return nil
	case !starts || !ends:
		return errors.New("has only one of start_positions and end_positions")
	}
	a, err := first.Int64s()
	b, err2 := last.Int64s()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if len(a) != v.rows || len(b) != v.rows {
		return fmt.Errorf("start_positions and end_positions have shapes %v and %v; want [%d]", first.Shape, last.Shape, v.rows)
	}
	for _, r := range v.docs {
		v.batch.Labels = append(v.batch.Labels, narrow(a[r]), narrow(b[r]))
	}
	return nil
}
