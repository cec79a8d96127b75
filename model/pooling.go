package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Pooling is the way in which the hidden states of a document become one vector.
type Pooling int

// The poolings. All but PoolMean take the state of a single token.
const (
	PoolCLS  Pooling = iota // the first token
	PoolLast                // the last token
	PoolEOS                 // the last of the tokens that are Head.EOSTokenID
	PoolMean                // the mean over all tokens
)

// EndDocument replaces a document's last token by EOSTokenID if the head classifies a document by that token.
func (h *Head) EndDocument(ids []int32) {
	if h.Kind == head.SequenceClassification && h.Pooling == PoolEOS {
		ids[len(ids)-1] = h.EOSTokenID
	}
}

// checkPooling says which document lacks the token by which it would be classified.
func (h *Head) checkPooling(b *Batch) error {
	bounds := b.Bounds()
	for d := range len(bounds) - 1 {
		if h.Kind == head.SequenceClassification && h.Pooling == PoolEOS && !slices.Contains(b.IDs[bounds[d]:bounds[d+1]], h.EOSTokenID) {
			return fmt.Errorf("model: document %d has no token %d, by which it would be classified", d, h.EOSTokenID)
		}
	}
	return nil
}

// pool turns the tokens' rows into a row for each document.
func (h *Head) pool(p *op.Pass, x mat.Tensor, b *Batch) mat.Tensor {
	switch {
	case h.ExcludePrompt && len(b.PromptLengths) > 0:
		rows, bounds := h.afterPrompts(b)
		if len(rows) > 0 {
			x = op.Gather(p, x, rows)
		}
		return op.MeanPool(p, x, bounds)
	case h.Pooling == PoolMean:
		return op.MeanPool(p, x, b.Bounds())
	}
	return op.Gather(p, x, h.poolRows(b.IDs, b.Bounds()))
}

// afterPrompts are the rows after the prompts that the pooling takes, and the bounds of the documents among them. Where there is none, the first
// token is the document's, as in sentence-transformers.
func (h *Head) afterPrompts(b *Batch) (rows, bounds []int) {
	all := b.Bounds()
	bounds = []int{0}
	for d, n := range b.PromptLengths {
		from, to := all[d]+n, all[d+1]
		switch h.Pooling {
		case PoolCLS:
			if from >= to {
				from = all[d]
			}
			to = from + 1
		case PoolLast:
			from = max(from, to-1)
		}
		for i := from; i < to; i++ {
			rows = append(rows, i)
		}
		bounds = append(bounds, len(rows))
	}
	return rows, bounds
}

// poolRows are the rows of the tokens by which the documents are classified.
func (h *Head) poolRows(ids []int32, bounds []int) []int {
	rows := make([]int, len(bounds)-1)
	for d := range rows {
		from, last := bounds[d], bounds[d+1]-1
		rows[d] = last
		switch h.Pooling {
		case PoolCLS:
			rows[d] = from
		case PoolEOS:
			for i := last; i >= from; i-- {
				if ids[i] == h.EOSTokenID {
					rows[d] = i
					break
				}
			}
		}
	}
	return rows
}

// poolingFile holds sentence-transformers' settings of pooling, and lengthFile the most tokens of a text.
const (
	poolingFile = "1_Pooling/config.json"
	lengthFile  = "sentence_bert_config.json"
)

// poolingModes are the supported modes of that file, by their names until version 6 of sentence-transformers and since.
var poolingModes = map[string]Pooling{"pooling_mode_mean_tokens": PoolMean, "pooling_mode_cls_token": PoolCLS, "pooling_mode_lasttoken": PoolLast,
	"mean": PoolMean, "cls": PoolCLS, "lasttoken": PoolLast}

// MaxLength is the most tokens of a text: those for which there are positions or, for a model that turns texts into vectors,
// max_seq_length in the folder's sentence_bert_config.json. sentence-transformers cuts longer texts.
func (m *Model) MaxLength() int {
	n := m.Config().MaxPositionEmbeddings
	if m.maxSeqLength > 0 {
		return min(n, m.maxSeqLength)
	}
	return n
}

// Truncates says whether the model's folder has max_seq_length, so that a longer text is cut and not refused.
func (m *Model) Truncates() bool { return m.maxSeqLength > 0 }

// readFolder reads the settings of sentence-transformers in the folder of a model for feature extraction.
func (m *Model) readFolder() error {
	if m.Dir == "" || m.Head().Kind != head.FeatureExtraction {
		return nil
	}
	return errors.Join(m.readModules(), m.readMaxSeqLength(), m.readPrompts())
}

// readMaxSeqLength reads the most tokens of a text; without the file, or with null in it, there is no other limit than the
// model's.
func (m *Model) readMaxSeqLength() error {
	raw, err := fs.ReadFile(m.Files(), lengthFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var c struct {
		MaxSeqLength *int `json:"max_seq_length"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("%s: %w", lengthFile, err)
	}
	if c.MaxSeqLength == nil {
		return nil
	}
	if m.maxSeqLength = *c.MaxSeqLength; m.maxSeqLength < 3 {
		return fmt.Errorf("%s: max_seq_length is %d; want 3 or more", lengthFile, m.maxSeqLength)
	}
	return nil
}

// readPooling reads the pooling of a model for feature extraction from a file of its folder, if there is one.
func (m *Model) readPooling(file string) error {
	raw, err := fs.ReadFile(m.Files(), file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	known := strings.Join(slices.Sorted(maps.Keys(poolingModes)), ", ")
	on := poolingModesIn(keys)
	if len(on) != 1 {
		return fmt.Errorf("%s: %d pooling modes are on; want one of %s", file, len(on), known)
	}
	p, ok := poolingModes[on[0]]
	if !ok {
		return notSupported("%s: %s is not supported; supported are %s", file, on[0], known)
	}
	for _, key := range []string{"word_embedding_dimension", "embedding_dimension"} {
		if n, ok := keys[key].(float64); ok && n != float64(m.Config().HiddenSize) {
			return fmt.Errorf("%s: %s is %g; the model's hidden_size is %d", file, key, n, m.Config().HiddenSize)
		}
	}
	m.Head().Pooling = p
	m.Head().ExcludePrompt = keys["include_prompt"] == false
	return nil
}

// poolingModesIn are the modes that a file turns on, as it names them. From version 6 on sentence-transformers has one key for them.
func poolingModesIn(keys map[string]any) (on []string) {
	switch modes := keys["pooling_mode"].(type) {
	case string:
		return []string{modes}
	case []any:
		for _, mode := range modes {
			on = append(on, fmt.Sprint(mode))
		}
		return on
	}
	for key, v := range keys {
		if strings.HasPrefix(key, "pooling_mode_") && v == true {
			on = append(on, key)
		}
	}
	return on
}
