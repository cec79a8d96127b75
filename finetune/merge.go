package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// MergeReport says how far the merged model is from the base with its adapter.
type MergeReport struct {
	Output string `json:"output"`
	// LogitChange is the largest difference of a logit between the two, over some tokens; LogitScale is the largest
	// logit there.
	LogitChange float64 `json:"largest_logit_change"`
	LogitScale  float64 `json:"largest_logit"`
	// SameGreedy of Tokens next tokens are the same when the likeliest is taken.
	SameGreedy int `json:"same_greedy_tokens"`
	Tokens     int `json:"tokens"`
	// Bytes is the size of the merged weights.
	Bytes int `json:"weight_bytes"`
}

// Merge folds an adapter into its model and writes a Hugging Face folder, which must not exist or be empty. dtype is the
// type of the weights, or "" for that in which each was stored. The folder appears only when it is whole and has been
// read back: its logits are compared with those of the base with the adapter, on fixed random tokens and, where the
// model has a tokenizer, a sentence.
func Merge(ctx context.Context, modelName, adapterDir, output string, dtype checkpoint.DType) (*MergeReport, error) {
	r, err := merge(ctx, modelName, adapterDir, output, dtype)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return r, nil
}

func merge(ctx context.Context, modelName, adapterDir, output string, dtype checkpoint.DType) (*MergeReport, error) {
	if err := mustBeEmpty(output); err != nil {
		return nil, err
	}
	l, err := Open(modelName, adapterDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	probes, err := probeBatches(l)
	if err != nil {
		return nil, err
	}
	before, err := logitsOf(l.Model, l.Adapter, probes)
	if err != nil {
		return nil, err
	}
	r := &MergeReport{Output: output}
	return r, newFolder(output, func(tmp string) error {
		if err := l.Save(tmp, l.Adapter, dtype); err != nil {
			return err
		}
		if err := l.host.write(tmp); err != nil {
			return err
		}
		if err := r.compare(tmp, l.host.Numerics, probes, before); err != nil {
			return err
		}
		return ctx.Err()
	})
}

// newFolder makes a folder whole or not at all: fill writes into another one beside it, which then gets its name. What
// was made on the way, parents too, is gone after an error.
func newFolder(dir string, fill func(tmp string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var parents []string // that do not exist yet
	for p := filepath.Dir(dir); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		parents = append(parents, p)
	}
	tmp := fmt.Sprintf("%s.tmp-%d", dir, os.Getpid())
	err = fill(tmp)
	if err == nil {
		if err = os.Remove(dir); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		for _, p := range parents {
			_ = os.Remove(p)
		}
	}
	return err
}

// mustBeEmpty refuses an output folder with content, and a file.
func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("output %s: is no folder that can be written: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("output %s: the folder is not empty; name a new one", dir)
	}
	return nil
}

// compare reads the merged folder back and compares its logits.
func (r *MergeReport) compare(dir, numerics string, probes []*model.Batch, before [][]float32) error {
	m, err := model.LoadAs(dir, model.Options{Numerics: numerics})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	after, err := logitsOf(m, "", probes)
	if err != nil {
		return err
	}
	r.Bytes = m.WeightBytes()
	r.add(before, after)
	if !finite(r.LogitChange) || !finite(r.LogitScale) {
		return errors.New("the merged model's logits are not finite")
	}
	return nil
}

// add compares logits.
func (r *MergeReport) add(before, after [][]float32) {
	for i, a := range before {
		b := after[i]
		r.Tokens++
		if numeric.Argmax(a) == numeric.Argmax(b) {
			r.SameGreedy++
		}
		for j := range a {
			r.LogitChange = math.Max(r.LogitChange, math.Abs(float64(a[j])-float64(b[j])))
			r.LogitScale = math.Max(r.LogitScale, math.Abs(float64(a[j])))
		}
	}
}

// logitsOf are the logits of every token of some batches.
func logitsOf(m *model.Model, adapter string, batches []*model.Batch) ([][]float32, error) {
	var all [][]float32
	for _, b := range batches {
		t := op.NewPass(false)
		t.Adapter = adapter
		y, err := m.Logits(t, b, nil, nil)
		if err == nil {
			for i := range y.Rows {
				all = append(all, slices.Clone(y.Row(i)))
			}
		}
		t.Release()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// probeBatches are what Merge compares on: random tokens in two documents, a few more on their own (an adapter is
// applied to few tokens in another way than to many), and a sentence where there is a tokenizer.
func probeBatches(l *Session) ([]*model.Batch, error) {
	n := min(32, l.Config().MaxPositionEmbeddings)
	r := rand.New(rand.NewPCG(1, 1))
	ids := make([]int32, 2*n+min(8, n))
	for i := range ids {
		ids[i] = int32(r.IntN(l.Config().VocabSize))
	}
	for _, doc := range [][]int32{ids[:n], ids[n : 2*n], ids[2*n:]} {
		endDocument(l.Head(), doc)
	}
	all := []*model.Batch{{IDs: ids[:2*n], CuSeqLens: []int{0, n, 2 * n}}, {IDs: ids[2*n:]}}
	if l.Head().Kind == head.Seq2SeqLM {
		vocab, _ := l.Head().Out.Dims()
		for _, b := range all {
			for _, id := range b.IDs {
				b.Labels = append(b.Labels, id%int32(vocab))
			}
			b.TargetCuSeqLens = b.CuSeqLens
		}
		return all, nil
	}
	if _, err := os.Stat(filepath.Join(l.Dir, "tokenizer.json")); err != nil {
		return all, nil
	}
	tok, err := l.Tokenizer()
	if err != nil {
		return nil, err
	}
	text := tok.Encode("The sea is a vast body of water that covers most of the Earth, and it has 3 names.", true)
	text = text[:min(len(text), l.Config().MaxPositionEmbeddings)]
	endDocument(l.Head(), text)
	return append(all, &model.Batch{IDs: text}), nil
}
