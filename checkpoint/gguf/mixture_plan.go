package gguf

import (
	"slices"
	"strings"
)

// plan is what the rules of a mixture know of a model, and count while they go through it.
type plan struct {
	mixture  Mixture
	layers   int
	experts  int
	tied     bool // there is no output.weight: the embeddings stand for it
	grouped  bool // a model of 80 layers in which eight queries share a value
	values   int  // tensors of values (attn_v and the like)
	value    int  // those that have been seen
	ffnDowns int  // ffn_down that have been seen
}

func (m Mixture) plan(metadata *Metadata, entries []Entry) (*plan, error) {
	p := &plan{mixture: m, tied: true}
	for _, e := range entries {
		if isValue(e.Name) {
			p.values++
		}
		p.tied = p.tied && e.Name != "output.weight"
	}
	arch, err := metadata.Architecture()
	if err != nil {
		return nil, err
	}
	if key := arch + ".expert_count"; metadata.Has(key) {
		if p.experts, err = metadata.Int(key); err != nil {
			return nil, err
		}
	}
	if m.base == Q4K || m.base == Q5K { // the mixtures whose rules count layers
		if p.layers, err = metadata.Int(arch + ".block_count"); err != nil {
			return nil, err
		}
	}
	p.grouped = p.layers == 80 && (arch == "qwen2" || arch == "llama" && groupsQueries(metadata))
	return p, nil
}

// groupsQueries says whether a llama has fewer heads of keys and values than of queries.
func groupsQueries(metadata *Metadata) bool {
	heads, err1 := metadata.Int("llama.attention.head_count")
	kv, err2 := metadata.Int("llama.attention.head_count_kv")
	return err1 == nil && err2 == nil && heads != kv
}

// isValue says whether a tensor is of attention's values, alone or with queries and keys.
func isValue(name string) bool {
	return slices.ContainsFunc([]string{"attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// choose is the type of the next weight, whatever its row.
func (p *plan) choose(e Entry) Type {
	base, eight := p.mixture.base, p.experts == 8
	embeds := e.Name == "token_embd.weight" || e.Name == "per_layer_token_embd.weight"
	switch {
	case e.Name == "output.weight" || p.tied && embeds:
		if lastOf(e.Shape)%base.BlockValues() != 0 || base == Q8_0 {
			return Q8_0
		}
		return Q6K
	case embeds:
		return base
	case isValue(e.Name):
		return p.chooseValue()
	case strings.Contains(e.Name, "attn_k.weight") && eight:
		return Q8_0
	case strings.Contains(e.Name, "attn_output.weight") && eight && base == Q4K:
		return Q5K
	case strings.Contains(e.Name, "ffn_down"):
		return p.chooseDown(e)
	}
	return base
}

func (p *plan) chooseValue() Type {
	typ, i := p.mixture.base, p.value
	p.value++
	switch {
	case p.mixture.medium() && moreBits(i, p.values):
		typ = Q6K
	case p.mixture.name == "Q4_K_S" && i < 4:
		typ = Q5K
	}
	if p.grouped && typ == Q4K {
		typ = Q5K
	}
	if p.experts == 8 {
		typ = Q8_0
	}
	return typ
}

func (p *plan) chooseDown(e Entry) Type {
	i := p.ffnDowns
	p.ffnDowns++
	if p.experts > 1 {
		i = layerOf(e.Name)
	}
	switch {
	case p.mixture.medium() && moreBits(i, p.layers):
		return Q6K
	case p.mixture.name == "Q4_K_S" && i < p.layers/8:
		return Q5K
	}
	return p.mixture.base
}

func (m Mixture) medium() bool { return strings.HasSuffix(m.name, "_M") }

// moreBits chooses layers that get a better type: the first and last eighths, and every third between.
func moreBits(i, n int) bool { return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 }
