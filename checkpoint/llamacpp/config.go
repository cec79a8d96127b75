package llamacpp

import (
	"encoding/json"
	"errors"
	"fmt"
)

// makeConfig makes the keys of config.json.
func (m *Model) makeConfig() (map[string]any, error) {
	s := &settings{m: m.meta, arch: m.arch.name}
	embed, ok := m.file.Get("token_embd.weight")
	if !ok || len(embed.Shape) != 2 {
		return nil, errors.New(`no tensor "token_embd.weight" with rows and columns`)
	}
	c := map[string]any{
		"model_type": m.arch.modelType, "architectures": []string{m.arch.class}, "vocab_size": embed.Shape[0],
		"hidden_size": s.int("embedding_length"), "intermediate_size": s.int("feed_forward_length"),
		"num_hidden_layers": s.int("block_count"), "num_attention_heads": s.int("attention.head_count"),
		"max_position_embeddings": s.int("context_length"),
	}
	if s.err != nil {
		return nil, s.err
	}
	if err := m.readHeads(s, c); err != nil {
		return nil, err
	}
	if m.arch.encoder {
		m.encoderConfig(c)
	} else if err := m.decoderConfig(s, c); err != nil {
		return nil, err
	}
	m.commonConfig(s, c)
	if err := m.checkVocabulary(embed.Shape[0]); err != nil {
		return nil, err
	}
	for key, name := range map[string]string{"bos": "bos_token_id", "eos": "eos_token_id", "padding": "pad_token_id"} {
		if id, err := m.meta.Int("tokenizer.ggml." + key + "_token_id"); err == nil && !noToken(id) {
			c[name] = id
		}
	}
	return m.arch.own(c), s.err
}

// noToken says whether an id stands for no token: -1, as int32 or uint32 (llama.h, LLAMA_TOKEN_NULL).
func noToken(id int) bool { return int32(id) == -1 }

// checkVocabulary makes sure that tokens and ids fit the embeddings' rows.
func (m *Model) checkVocabulary(rows int) error {
	sizeKey := m.arch.name + ".vocab_size"
	if n, err := m.meta.Int(sizeKey); err == nil && n != rows {
		return fmt.Errorf("%s is %d, and token_embd.weight has %d rows", sizeKey, n, rows)
	}
	if tokens, err := m.meta.Strings("tokenizer.ggml.tokens"); err == nil && len(tokens) != rows {
		return fmt.Errorf("tokenizer.ggml.tokens has %d tokens, and token_embd.weight %d rows", len(tokens), rows)
	}
	for _, role := range []string{"bos", "eos", "eot", "eom", "unknown", "padding", separatorKey, "cls", "mask"} {
		key := "tokenizer.ggml." + role + "_token_id"
		if id, err := m.meta.Int(key); err == nil && !noToken(id) && (id < 0 || id >= rows) {
			return fmt.Errorf("%s is %d; want a token of the vocabulary, 0 to %d", key, id, rows-1)
		}
	}
	return nil
}

// readHeads checks the numbers of layers and heads, and finds the heads' size.
func (m *Model) readHeads(s *settings, c map[string]any) error {
	if layers, most := c["num_hidden_layers"].(int), len(m.places); layers > most {
		return fmt.Errorf("%s.block_count is %d, and the file has %d tensors", s.arch, layers, most)
	}
	if n := s.optional("expert_count", 0); n > 0 && m.arch.marks != expertsKey {
		return fmt.Errorf("%s.expert_count is %d: experts are %w", s.arch, n, ErrUnsupported)
	}
	heads := c["num_attention_heads"].(int)
	if heads <= 0 {
		return fmt.Errorf("%s.attention.head_count is %d; want 1 or more", s.arch, heads)
	}
	m.headDim = s.optional("attention.key_length", c["hidden_size"].(int)/heads)
	if m.headDim <= 0 || m.headDim%2 != 0 && !m.arch.encoder {
		return fmt.Errorf("%s: heads of %d values; want an even number", s.arch, m.headDim)
	}
	return nil
}

// commonConfig adds what the fields of the architecture name.
func (m *Model) commonConfig(s *settings, c map[string]any) {
	m.arch.epsilon().read(s, c)
	c["hidden_act"] = "silu"
	if len(m.arch.activations) > 0 {
		c["hidden_act"] = m.arch.activations[0]
	}
	for _, t := range m.arch.settings {
		t.read(s, c)
	}
	for key, v := range m.arch.must {
		c[key] = json.RawMessage(v)
	}
	for _, f := range m.arch.flags {
		_, has := m.file.Get("blk.0." + f.tensor)
		c[f.config] = has != f.missing
	}
}

// own gives keys the names that the model_type has for them.
func (a architecture) own(c map[string]any) map[string]any {
	for usual, own := range a.keys {
		v, ok := c[usual]
		if delete(c, usual); ok && own != "" {
			c[own] = v
		}
	}
	return c
}

// decoderConfig adds the keys of decoder-only models.
func (m *Model) decoderConfig(s *settings, c map[string]any) error {
	_, untied := m.file.Get("output.weight")
	c["tie_word_embeddings"] = !untied
	if m.arch.learned {
		return nil
	}
	c["num_key_value_heads"] = s.optional("attention.head_count_kv", c["num_attention_heads"].(int))
	c["head_dim"] = m.headDim
	if n := s.optional("attention.value_length", m.headDim); n != m.headDim {
		return fmt.Errorf("%s.attention.value_length is %d, and key_length %d: %w", s.arch, n, m.headDim, ErrUnsupported)
	}
	if err := m.ropeConfig(s, c); err != nil {
		return err
	}
	if q := m.arch.queryScalar; q.layers > 0 {
		c["query_pre_attn_scalar"] = q.of(c["num_hidden_layers"].(int), c["hidden_size"].(int)/c["num_attention_heads"].(int), m.headDim)
	}
	return m.arch.window.read(s, c)
}

// of is the scalar of a model.
func (q queryScalar) of(layers, share, headDim int) int {
	if layers == q.layers {
		return share
	}
	return headDim
}

// ropeConfig adds the keys of rotary positions.
func (m *Model) ropeConfig(s *settings, c map[string]any) error {
	rotated := s.optional("rope.dimension_count", m.headDim)
	switch {
	case m.arch.partial && rotated > 0 && rotated <= m.headDim:
		c["partial_rotary_factor"] = float64(rotated) / float64(m.headDim)
	case rotated != m.headDim:
		return fmt.Errorf("%s.rope.dimension_count is %d of %d: partly rotated heads are %w", s.arch, rotated, m.headDim, ErrUnsupported)
	}
	r, err := m.readRope(s, c["max_position_embeddings"].(int))
	if err != nil {
		return err
	}
	c["rope_theta"] = r.Theta
	switch {
	case m.arch.local != localSame:
		local := rope{RopeType: "default", Theta: r.Theta}
		if m.arch.local == localBase {
			local.Theta = exact(s.positive("rope.freq_base_swa", 10000))
		}
		delete(c, "rope_theta")
		c["rope_parameters"] = map[string]rope{fullAttention: r, slidingAttention: local}
	case r.RopeType == "longrope": // transformers wants the original length beside
		c["original_max_position_embeddings"] = r.Positions
		fallthrough
	case r.RopeType != "default":
		r.Theta = 0
		c["rope_scaling"] = r
	}
	return nil
}

// encoderConfig adds the keys of BERT.
func (m *Model) encoderConfig(c map[string]any) {
	c["type_vocab_size"] = 1
	if t, ok := m.file.Get("token_types.weight"); ok {
		c["type_vocab_size"] = t.Size() / max(1, c["hidden_size"].(int))
	}
}
