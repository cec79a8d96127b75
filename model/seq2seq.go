package model

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// EncoderDecoder is implemented by the backbone of a sequence-to-sequence model. Its Forward reads the sources, and the Labels
// as targets; with a cache it continues targets whose sources EncodeSources has read.
type EncoderDecoder interface {
	Backbone
	// EncodeSources reads a checked batch's sources, and adds their keys and values in each of the decoder's layers to a
	// cache, by Cache.AddSources.
	EncodeSources(p *op.Pass, b *Batch, cache *Cache)
	// NumDecoderLayers is the number of the decoder's layers.
	NumDecoderLayers() int
	// DecoderStartTokenID is the token with which the decoder starts, or nil where the target decides.
	DecoderStartTokenID() *int32
}

// checkDecoderTokens says which of the tokens that the decoder reads beside the target is not in its vocabulary; start may be nil.
func checkDecoderTokens(vocab int, pad, start *int32) error {
	for _, t := range []struct {
		key string
		id  *int32
	}{{"pad_token_id", pad}, {"decoder_start_token_id", start}} {
		if t.id != nil && (*t.id < 0 || int(*t.id) >= vocab) {
			return fmt.Errorf("config.json: %s is %d; the decoder's vocabulary ends at %d", t.key, *t.id, vocab-1)
		}
	}
	return nil
}

// checkSources says what is wrong with a batch of sources, and with its targets where the decoder reads them.
func (m *Model) checkSources(b *Batch) error {
	h := m.Head()
	if err := b.check(m.Config()); err != nil {
		return err
	}
	if h.Kind == head.Seq2SeqLM && b.Labels != nil {
		if err := b.checkTargets(m.Config().MaxPositionEmbeddings); err != nil {
			return err
		}
		return checkVocabulary(h, b)
	}
	if out := h.Out; h.Kind == head.Seq2SeqLM { // the decoder reads the sources
		sizes := m.Config()
		sizes.VocabSize, _ = out.Dims()
		return b.check(sizes)
	}
	return nil
}

// Encode reads the sources of a sequence-to-sequence model into a cache, for the next of its documents without a source. When
// every document has one, batches with the cache continue the targets.
func (m *Model) Encode(p *op.Pass, b *Batch, cache *Cache) error {
	s, ok := m.Backbone.(EncoderDecoder)
	if !ok {
		return fmt.Errorf("model: %s is not a sequence-to-sequence model", m.arch.Class)
	}
	if err := b.check(m.Config()); err != nil {
		return err
	}
	if got, room := len(b.Bounds())-1, len(cache.layers[0])-len(cache.sources[0]); got > room {
		return fmt.Errorf("model: %d sources for a cache with room for %d", got, room)
	}
	s.EncodeSources(p, b, cache)
	return nil
}
