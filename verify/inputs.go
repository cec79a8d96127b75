package verify

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
)

// readInts reads a tensor of integers whose first dimension is rows, and its shape. dims, if given, is the shape that
// it must have. It returns nil if the file has no such tensor.
func (v *verification) readInts(name string, dims ...int) ([]int64, []int, error) {
	t, ok := v.file.Get(name)
	if !ok {
		return nil, nil, nil
	}
	if len(t.Shape) == 0 || t.Shape[0] != v.rows || dims != nil && !slices.Equal(t.Shape, dims) {
		return nil, nil, fmt.Errorf("%s has shape %v; input_ids has [%d %d]", name, t.Shape, v.rows, v.length)
	}
	values, err := t.Int64s()
	return values, t.Shape, err
}

// inputs builds a batch without padding from the rows of the file.
func (v *verification) inputs() error {
	v.headKind = v.m.Head().Kind
	t, ok := v.file.Get("input_ids")
	if !ok {
		return fmt.Errorf("has no input_ids; it has %s", wording.List(v.file.Names(), 6, ", "))
	}
	dims, shape := 2, "[rows, length]"
	if v.headKind == head.MultipleChoice {
		dims, shape = 3, "[questions, choices, length]"
	}
	if len(t.Shape) != dims {
		return fmt.Errorf("input_ids has shape %v; want %s", t.Shape, shape)
	}
	v.rows, v.length = t.Shape[0], t.Shape[dims-1]
	ids, _, err1 := v.readInts("input_ids", t.Shape...)
	mask, _, err2 := v.readInts("attention_mask", t.Shape...)
	types, _, err3 := v.readInts("token_type_ids", t.Shape...)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	v.batch = &model.Batch{CuSeqLens: []int{0}}
	if dims == 3 {
		v.batch.Choices = slices.Repeat(t.Shape[1:2], v.rows)
	}
	for r := range len(ids) / max(1, v.length) {
		if err := v.row(r, ids, mask, types); err != nil {
			return err
		}
	}
	if err := v.checkRoPE(); err != nil {
		return err
	}
	return v.labels(mask)
}

// row appends the tokens of row r to the batch: those that are not padding, or for question answering all of them.
func (v *verification) row(r int, ids, mask, types []int64) error {
	b, visible := v.batch, 0
	for c := range v.length {
		i := r*v.length + c
		switch pad := mask != nil && mask[i] == 0; {
		case !pad && visible < c:
			return fmt.Errorf("attention_mask: row %d has a 1 after a 0; rows must be padded on the right", r)
		case ids[i] != int64(int32(ids[i])):
			return fmt.Errorf("input_ids: %d is not a token", ids[i])
		case !pad:
			visible++
		case v.headKind != head.QuestionAnswering:
			continue
		}
		v.positions = append(v.positions, i)
		b.IDs = append(b.IDs, int32(ids[i]))
		if types != nil {
			b.TokenTypeIDs = append(b.TokenTypeIDs, int32(types[i]))
		}
	}
	if n := len(b.IDs); n > b.CuSeqLens[len(b.CuSeqLens)-1] {
		b.CuSeqLens = append(b.CuSeqLens, n)
		if v.headKind == head.QuestionAnswering {
			b.AttentionLengths = append(b.AttentionLengths, visible)
		}
	}
	return nil
}

// labels reads the labels that the head needs.
func (v *verification) labels(mask []int64) error {
	switch v.headKind {
	case head.SequenceClassification, head.MultipleChoice:
		return v.classes()
	case head.FeatureExtraction: // a vector for each row; neighbours are pairs
		for r := range v.rows {
			v.outputPositions = append(v.outputPositions, r)
		}
		return nil
	case head.QuestionAnswering:
		return v.spans()
	case head.Seq2SeqLM:
		return v.targets()
	}
	labels, _, err := v.readInts("labels", v.rows, v.length)
	if err != nil || labels == nil {
		return err
	}
	for i, l := range labels {
		if mask != nil && mask[i] == 0 && l != head.IgnoreIndex {
			return fmt.Errorf("labels: row %d scores the padding at %d; want %d wherever attention_mask is 0", i/v.length, i%v.length, head.IgnoreIndex)
		}
	}
	for _, i := range v.positions {
		v.batch.Labels = append(v.batch.Labels, clampLabel(labels[i]))
	}
	return nil
}

// clampLabel converts a label to int32. One that is out of range stays so, and the model reports it.
func clampLabel(l int64) int32 { return int32(min(max(l, math.MinInt32), math.MaxInt32)) }

// classes reads the class of each row, or the target values of regression and multi-label classification.
func (v *verification) classes() error {
	for r := range v.rows {
		v.outputPositions = append(v.outputPositions, r)
	}
	t, ok := v.file.Get("labels")
	if !ok {
		return nil
	}
	if strings.HasPrefix(string(t.DType), "F") {
		values, err := t.Float32s()
		v.batch.FloatLabels = values
		return err
	}
	labels, _, err := v.readInts("labels", v.rows)
	for _, l := range labels {
		v.batch.Labels = append(v.batch.Labels, clampLabel(l))
	}
	return err
}

// spans reads the first and the last position of each answer.
func (v *verification) spans() error {
	first, _, err1 := v.readInts("start_positions", v.rows)
	last, _, err2 := v.readInts("end_positions", v.rows)
	if err := errors.Join(err1, err2); err != nil || first == nil || last == nil {
		return err
	}
	for r := range v.rows {
		v.batch.Labels = append(v.batch.Labels, clampLabel(first[r]), clampLabel(last[r]))
	}
	return nil
}

// targets reads the target of each row for a sequence-to-sequence model, up to its last scored token.
func (v *verification) targets() error {
	labels, shape, err := v.readInts("labels")
	if err != nil {
		return err
	}
	if len(shape) != 2 {
		return fmt.Errorf("labels has shape %v; a sequence-to-sequence model needs [rows, target length]", shape)
	}
	b := v.batch
	b.TargetCuSeqLens = []int{0}
	for r := range v.rows {
		row := labels[r*shape[1] : (r+1)*shape[1]]
		n := len(row)
		for n > 1 && row[n-1] == head.IgnoreIndex {
			n--
		}
		for c := range n {
			b.Labels = append(b.Labels, clampLabel(row[c]))
			v.outputPositions = append(v.outputPositions, r*shape[1]+c)
		}
		b.TargetCuSeqLens = append(b.TargetCuSeqLens, len(b.Labels))
	}
	return nil
}
