package model

import (
	"encoding/json"
	"fmt"
	"maps"

	cybart "github.com/nlpodyssey/cybertron/pkg/models/bart"
	"github.com/nlpodyssey/spago/nn/linear"

	"github.com/spagotune/spagotune/head"
)

// cybertronBART is the encoder and decoder of one of Cybertron's models, and the kind of its head.
func cybertronBART(cyb any) (*cybart.Model, head.Kind) {
	switch m := cyb.(type) {
	case *cybart.ModelForConditionalGeneration:
		return m.Bart, head.Seq2SeqLM
	case *cybart.ModelForSequenceClassification:
		return m.Bart, head.SequenceClassification
	}
	return nil, ""
}

// bartConfigOf is the config.json of a Cybertron model.
func bartConfigOf(b *cybart.Model, kind head.Kind) ([]byte, error) {
	c := b.Config
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for _, k := range []string{"Cybertron", "extra_special_tokens", "total_flos", "_num_labels"} {
		delete(all, k)
	}
	f, ok := architectures[c.ModelType]
	if !ok {
		return nil, notSupported("model_type %q of the Cybertron model is not supported", c.ModelType)
	}
	suffix := suffixOf(kind)
	if c.ModelType == "marian" && kind == head.Seq2SeqLM {
		suffix = "MTModel"
	}
	maps.Copy(all, map[string]any{ // Cybertron leaves out what is zero or false
		"architectures": []string{f.Class + suffix}, "normalize_before": c.NormalizeBefore, "add_final_layer_norm": c.FinalLayerNorm,
		"normalize_embedding": c.NormalizeEmbedding, "scale_embedding": c.ScaleEmbedding, "pad_token_id": c.PadTokenID,
		"eos_token_id": c.EosTokenID, "bos_token_id": c.BosTokenID, "decoder_start_token_id": c.DecoderStartTokenID,
		"is_encoder_decoder": true, "num_labels": c.NumLabels,
	})
	if kind != head.SequenceClassification || len(c.ID2Label) > 0 {
		delete(all, "num_labels")
	}
	return json.MarshalIndent(all, "", "  ")
}

// bartWithCybertronHead refuses heads other than the model's own.
func bartWithCybertronHead(cyb any, want head.Config) (any, bool, error) {
	if b, kind := cybertronBART(cyb); kind != want.Kind || want.Kind == head.SequenceClassification && len(want.Labels) != b.Config.NumLabels {
		return nil, false, notSupported("a new head for %s on %T is not supported", want.Kind, cyb)
	}
	return cyb, false, nil
}

// newCybertron implements cybertronBackbone.
func (m *bart) newCybertron(of *Model) (any, error) {
	c := m.c
	switch {
	case c.ModelType == "mbart" || !c.shared:
		return nil, notSupported("Cybertron has no %s; it has BART, Marian and Pegasus with one embedding for both sides", c.ModelType)
	case m.head.Kind == head.SequenceClassification && c.ModelType == "bart", m.head.Kind == head.Seq2SeqLM:
	default:
		return nil, notSupported("Cybertron's %s has no head for %s", c.ModelType, m.head.Kind)
	}
	config, err := m.cybertronConfig(of)
	if err != nil {
		return nil, err
	}
	b := cybart.New[float32](config)
	if m.head.Kind == head.SequenceClassification {
		return cybart.NewModelForSequenceClassification[float32](b), nil
	}
	return cybart.NewModelForConditionalGeneration[float32](b), nil
}

// configOf is Cybertron's config: config.json, with how texts are generated from generation_config.json, where newer
// models have that, and the layout that newer models leave to the model type. Cybertron knows no other defaults than zero.
func (m *bart) cybertronConfig(of *Model) (cybart.Config, error) {
	c := m.c
	var config cybart.Config
	act, ok := cybertronActivations[c.act]
	if !ok {
		return config, fmt.Errorf("config.json: activation_function %q: Cybertron has no such function", c.ActivationFunction)
	}
	generation, err := of.GenerationConfig()
	if err != nil {
		return config, err
	}
	config = cybart.Config{
		ModelType: c.ModelType, VocabSize: c.VocabSize, DModel: c.DModel, ActivationFunction: act,
		EncoderLayers: c.EncoderLayers, EncoderFFNDim: c.EncoderFFNDim, EncoderAttentionHeads: c.EncoderAttentionHeads,
		DecoderLayers: c.DecoderLayers, DecoderFFNDim: c.DecoderFFNDim, DecoderAttentionHeads: c.DecoderAttentionHeads,
		NumHiddenLayers: c.EncoderLayers, MaxPositionEmbeddings: c.MaxPositionEmbeddings, ScaleEmbedding: c.ScaleEmbedding,
		NormalizeBefore: c.pre, FinalLayerNorm: c.final, NormalizeEmbedding: c.normed, StaticPositionEmbeddings: c.static,
		PadTokenID: int(*c.PadTokenID), EosTokenID: int(c.EosTokenID[0]), DecoderStartTokenID: int(*c.DecoderStartTokenID),
		NumLabels: len(m.head.Labels), ID2Label: labelMap(m.head.Labels), Label2ID: map[string]int{}, IsEncoderDecoder: true,
		MaxLength: c.MaxPositionEmbeddings, MinLength: generation.MinLength, NumBeams: max(1, generation.NumBeams),
		LengthPenalty: generation.LengthPenalty, EarlyStopping: generation.EarlyStopping == "true", NoRepeatNGramSize: generation.NoRepeatNgramSize,
	}
	if generation.MaxLength > 0 {
		config.MaxLength = min(generation.MaxLength, c.MaxPositionEmbeddings)
	}
	for i, l := range m.head.Labels {
		config.Label2ID[l] = i
	}
	for _, word := range generation.BadWordsIDs {
		var ids []int
		for _, id := range word {
			ids = append(ids, int(id))
		}
		config.BadWordsIDs = append(config.BadWordsIDs, ids)
	}
	var tokens struct {
		BosTokenID *int `json:"bos_token_id"`
	}
	if err := json.Unmarshal(of.ConfigJSON, &tokens); err != nil {
		return config, fmt.Errorf("config.json: %w", err)
	}
	if tokens.BosTokenID != nil {
		config.BosTokenID = *tokens.BosTokenID
	}
	config.Cybertron.Training = true
	config.Cybertron.PositionalEncoderOffset = c.offset()
	return config, nil
}

// sharesMemory implements cybertronBackbone: positions are the Cybertron model's, and the logits' bias is saved unless it is
// zero.
func (m *bart) sharesMemory() {
	m.positions = nil
	if out := m.head.Out; m.head.Kind == head.Seq2SeqLM {
		b := out.Bias.tied
		rows, cols := b.rowsCols()
		b.computed = emptyRows(b.Vector(""), rows, cols) == rows
	}
}

// pair implements cybertronBackbone.
func (m *bart) pair(p *pairing, cyb any) error {
	b, kind := cybertronBART(cyb)
	c, h := m.c, m.head
	switch {
	case b == nil:
		return fmt.Errorf("%T is not a BART, which config.json describes", cyb)
	case kind != h.Kind:
		return fmt.Errorf("%T has a head for %s, config.json one for %s", cyb, kind, h.Kind)
	case len(b.Encoder.Layers) != len(m.Encoder.Layers) || len(b.Decoder.Layers) != len(m.Decoder.Layers):
		return fmt.Errorf("the Cybertron model has %d and %d layers, config.json %d and %d",
			len(b.Encoder.Layers), len(b.Decoder.Layers), len(m.Encoder.Layers), len(m.Decoder.Layers))
	case b.Config.FinalLayerNorm != c.final || b.Config.NormalizeEmbedding != c.normed || b.Config.ScaleEmbedding != c.ScaleEmbedding:
		return fmt.Errorf("the Cybertron model's norms or scales are not those of model_type %s in config.json", c.ModelType)
	}
	p.table(m.Shared, b.Embeddings)
	m.pairEnds(p, m.Encoder, b.Encoder.Embeddings)
	m.pairEnds(p, m.Decoder, b.Decoder.Embeddings)
	for i, l := range m.Encoder.Layers {
		s := b.Encoder.Layers[i]
		if err := l.pair(p, m, s.SelfAttention, nil, s.FF, c.EncoderAttentionHeads); err != nil {
			return fmt.Errorf("encoder layer %d: %w", i, err)
		}
	}
	for i, l := range m.Decoder.Layers {
		s := b.Decoder.Layers[i]
		if err := l.pair(p, m, s.SelfAttention, s.CrossAttention, s.FF, c.DecoderAttentionHeads); err != nil {
			return fmt.Errorf("decoder layer %d: %w", i, err)
		}
	}
	if c.final {
		p.norm(m.Encoder.Norm, b.Encoder.LayerNorm)
		p.norm(m.Decoder.Norm, b.Decoder.LayerNorm)
	} else {
		p.unused(b.Encoder.LayerNorm)
		p.unused(b.Decoder.LayerNorm)
	}
	m.pairHead(p, cyb)
	return nil
}

// pairEnds pairs what is before the layers of a stack.
func (m *bart) pairEnds(p *pairing, s *bartStack, e *cybart.Embeddings) {
	p.weights = append(p.weights, weightPair{weight: s.Positions, parts: e.PositionalEncoder.Embeddings.Weights, fixed: m.positions})
	if m.c.normed {
		p.norm(s.EmbeddingNorm, e.Norm)
	} else {
		p.unused(e.Norm)
	}
	p.buffers = append(p.buffers, &e.ScaleFactor)
}

func (m *bart) pairHead(p *pairing, cyb any) {
	h := m.head
	switch s := cyb.(type) {
	case *cybart.ModelForConditionalGeneration:
		p.linear(h.Out, s.Projection)
		h.Out.Weight.twin = m.Shared
		p.buffers = append(p.buffers, &s.PadMask, &s.EosMask)
	case *cybart.ModelForSequenceClassification:
		p.linear(h.Dense, s.Classifier.Layers[0].(*linear.Model))
		p.linear(h.Out, s.Classifier.Layers[2].(*linear.Model))
	}
}

// pair pairs a layer. Cybertron has its blocks as values before they are saved and as pointers after they are read.
func (l *bartLayer) pair(p *pairing, m *bart, self cybart.ResidualNormSelfAttention, cross cybart.ResidualNormCrossAttention, ff cybart.ResidualNormFeedForward, heads int) error {
	sa, pre := selfBlock(self)
	f, preFF := feedBlock(ff)
	if pre != m.c.pre || preFF != m.c.pre {
		return fmt.Errorf("the Cybertron model's norms are not where model_type %s has them", m.c.ModelType)
	}
	if err := p.attention(sa.Attention, heads, l.Self.Query, l.Self.Key, l.Self.Value, l.Self.Output); err != nil {
		return err
	}
	p.norm(l.SelfNorm, sa.Norm)
	if cross != nil {
		ca, pre := crossBlock(cross)
		if pre != m.c.pre {
			return fmt.Errorf("the Cybertron model's norms are not where model_type %s has them", m.c.ModelType)
		}
		if err := p.attention(ca.Attention, heads, l.Cross.Query, l.Cross.Key, l.Cross.Value, l.Cross.Output); err != nil {
			return err
		}
		p.norm(l.CrossNorm, ca.Norm)
	}
	p.linear(l.Up, f.FFN[0].(*linear.Model))
	p.linear(l.Down, f.FFN[2].(*linear.Model))
	p.norm(l.Norm, f.Norm)
	return checkActivation(f.FFN[1], m.c.act)
}

func selfBlock(b cybart.ResidualNormSelfAttention) (s *cybart.SelfAttentionBlock, pre bool) {
	switch b := b.(type) {
	case cybart.PreNormSelfAttentionBlock:
		return b.SelfAttentionBlock, true
	case *cybart.PreNormSelfAttentionBlock:
		return b.SelfAttentionBlock, true
	case cybart.PostNormSelfAttentionBlock:
		return b.SelfAttentionBlock, false
	}
	return b.(*cybart.PostNormSelfAttentionBlock).SelfAttentionBlock, false
}

func crossBlock(b cybart.ResidualNormCrossAttention) (c *cybart.CrossAttentionBlock, pre bool) {
	switch b := b.(type) {
	case cybart.PreNormCrossAttentionBlock:
		return b.CrossAttentionBlock, true
	case *cybart.PreNormCrossAttentionBlock:
		return b.CrossAttentionBlock, true
	case cybart.PostNormCrossAttentionBlock:
		return b.CrossAttentionBlock, false
	}
	return b.(*cybart.PostNormCrossAttentionBlock).CrossAttentionBlock, false
}

func feedBlock(b cybart.ResidualNormFeedForward) (f *cybart.FeedForwardBlock, pre bool) {
	switch b := b.(type) {
	case cybart.PreNormFeedForwardBlock:
		return b.FeedForwardBlock, true
	case *cybart.PreNormFeedForwardBlock:
		return b.FeedForwardBlock, true
	case cybart.PostNormFeedForwardBlock:
		return b.FeedForwardBlock, false
	}
	return b.(*cybart.PostNormFeedForwardBlock).FeedForwardBlock, false
}

var _ cybertronBackbone = (*bart)(nil)
