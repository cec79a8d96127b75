package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Head turns the last hidden states into scores: dense, activation and norm where the architecture has them, then a
// projection onto the vocabulary or the labels. An architecture declares the parts and names them (Add).
type Head struct {
	head.Config
	// Dense, which is followed by Activation, and Norm may be nil.
	Dense      *Linear
	Activation op.Activation
	Norm       *LayerNorm
	// Out is nil for feature extraction.
	Out *Linear
	// LogitScale multiplies Out's outputs, 0 counts as 1; then SoftCap is op.SoftCap's.
	LogitScale, SoftCap float32
	// Dropout is the rate in training (op.Dropout) before Out, and before Dense unless DenseIsPooler.
	Dropout       float32
	DenseIsPooler bool
	// Pooling is for sequence classification and feature extraction; PoolEOS looks for EOSTokenID. An architecture sets it
	// for sequence classification; feature extraction takes the mean, or the mode in the folder's 1_Pooling/config.json.
	Pooling    Pooling
	EOSTokenID int32
	// ExcludePrompt says that the pooling leaves a prompt's tokens out (Batch.PromptLengths), as sentence-transformers does where the folder's
	// 1_Pooling/config.json has include_prompt: false.
	ExcludePrompt bool
	// PoolsLate says that Dense and its activation come before the pooling, which is PoolMean.
	PoolsLate bool

	unpadded bool            // the backbone does not tell padding (Batch.AttentionLengths) from tokens
	sentence []sentenceDense // what sentence-transformers has after the pooling

	parts map[string]any // the modules and weights by their Hugging Face paths
	order []string
}

// Add names one of the head's parts, a *Linear, *LayerNorm or *Weight, by its Hugging Face path, such as "lm_head".
func (h *Head) Add(path string, part any) {
	if h.parts == nil {
		h.parts = map[string]any{}
	}
	h.parts[path] = part
	h.order = append(h.order, path)
}

// rename replaces the paths of the parts.
func (h *Head) rename(name func(string) string) {
	parts := h.parts
	h.parts = map[string]any{}
	for i, p := range h.order {
		h.order[i] = name(p)
		h.parts[h.order[i]] = parts[p]
	}
}

// Modules are the paths of the head's parts. They train whole if the head is new.
func (h *Head) Modules() []string { return slices.Clone(h.order) }

// Has says whether a path is one of the head's modules or weights.
func (h *Head) Has(path string) bool {
	return slices.ContainsFunc(h.order, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
}

// objective scores a kind of head; each kind has a file.
type objective interface {
	// scored counts the losses of a document by its labels.
	scored(labels []int32, floatLabels []float32) int
	// check says what is wrong with the labels of a batch that is checked otherwise.
	check(h *Head, b *Batch) error
	// loss returns the losses of all that is scored, [scored, 1], from the last hidden states.
	loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor
}

var objectives = map[head.Kind]objective{}

// Kinds lists the kinds of heads.
func Kinds() []head.Kind { return slices.Sorted(maps.Keys(objectives)) }

// project computes the head's outputs for rows of x (nil: all), [rows, outputs].
func (h *Head) project(p *op.Pass, x mat.Tensor, rows []int) mat.Tensor {
	return op.SoftCap(p, op.Linear(p, h.states(p, x, rows), h.Out), h.SoftCap)
}

// documents computes the outputs of sequence classification, [documents, labels].
func (h *Head) documents(p *op.Pass, x mat.Tensor, b *Batch) mat.Tensor {
	switch {
	case h.PoolsLate:
		x = h.pool(p, op.Activate(p, op.Linear(p, x, h.Dense), h.Activation), b)
		return op.Linear(p, op.Dropout(p, x, h.Dropout, "head"), h.Out)
	case h.Pooling == PoolMean:
		return h.project(p, h.pool(p, x, b), nil)
	}
	return h.project(p, x, h.poolRows(b.IDs, b.Bounds()))
}

// states are the inputs of Out.
func (h *Head) states(p *op.Pass, x mat.Tensor, rows []int) mat.Tensor {
	if rows != nil {
		x = op.Gather(p, x, rows)
	}
	if h.Dense != nil {
		if !h.DenseIsPooler {
			x = op.Dropout(p, x, h.Dropout, "head dense")
		}
		x = op.Linear(p, x, h.Dense)
		x = op.Activate(p, x, h.Activation)
	}
	if h.Norm != nil {
		x = h.Norm.Forward(p, x)
	}
	x = op.Dropout(p, x, h.Dropout, "head")
	if h.LogitScale != 0 { // a factor of the inputs is one of the outputs
		x = op.Scale(p, x, h.LogitScale)
	}
	return x
}

// HasClasses says whether the loss is the cross-entropy of one class or token among all.
func (h *Head) HasClasses() bool {
	switch h.Kind {
	case head.SequenceClassification:
		return h.Problem() == head.SingleLabel
	case head.QuestionAnswering, head.MultipleChoice, head.FeatureExtraction:
		return false
	}
	return true
}

// classLabel says what is wrong with a label of a head with classes.
func (h *Head) classLabel(label int32) error {
	if label != head.IgnoreIndex && (label < 0 || int(label) >= len(h.Labels)) {
		return fmt.Errorf("model: label %d; the head has %d classes", label, len(h.Labels))
	}
	return nil
}
