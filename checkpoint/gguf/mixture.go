package gguf

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// Mixture is a usual way to quantize a model, by the name that llama.cpp gives it: most weights get one type, those that
// suffer most a better one.
type Mixture struct {
	name     string
	fileType uint32 // llama.h, enum llama_ftype
	base     Type
}

// mixtures are those that can be written. Q4_K and Q5_K stand for the medium ones.
var mixtures = []Mixture{
	{"F32", 0, F32}, {"F16", 1, F16}, {"BF16", 32, BF16}, {"Q8_0", 7, Q8_0},
	{"Q4_0", 2, Q4_0}, {"Q4_1", 3, Q4_1}, {"Q5_0", 8, Q5_0}, {"Q5_1", 9, Q5_1},
	{"Q4_K_S", 14, Q4K}, {"Q4_K_M", 15, Q4K}, {"Q5_K_S", 16, Q5K}, {"Q5_K_M", 17, Q5K}, {"Q6_K", 18, Q6K},
}

// unwritten are llama.cpp's other mixtures.
var unwritten = []string{
	"Q2_K", "Q2_K_S", "Q3_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS",
	"IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "MXFP4_MOE", "NVFP4", "Q1_0", "Q2_0",
}

// MixtureNames are the names that ParseMixture takes.
func MixtureNames() []string {
	all := []string{"Q4_K", "Q5_K"}
	for _, m := range mixtures {
		all = append(all, m.name)
	}
	slices.Sort(all)
	return all
}

// ParseMixture finds a mixture by its name, in upper or lower case. One that llama.cpp has and this package does not
// write is ErrUnsupported.
func ParseMixture(name string) (Mixture, error) {
	full := strings.ToUpper(name)
	if full == "Q4_K" || full == "Q5_K" {
		full += "_M"
	}
	for _, m := range mixtures {
		if m.name == full {
			return m, nil
		}
	}
	if slices.Contains(unwritten, full) {
		return Mixture{}, fmt.Errorf("gguf: %w: %s is not written; %s are", ErrUnsupported, full, strings.Join(MixtureNames(), ", "))
	}
	return Mixture{}, fmt.Errorf("gguf: unknown type %q%s", name, suggest.Hint(full, MixtureNames()))
}

// String is the mixture's name.
func (m Mixture) String() string { return m.name }

// FileType is the mixture's number, the value of general.file_type.
func (m Mixture) FileType() uint32 { return m.fileType }

// Types are the types that a model's tensors get. An entry's type is the one that it keeps if it is not quantized: norms,
// biases, positions and the like. The metadata tell the architecture and its numbers of layers, heads and experts. A row
// that the type's block does not divide gets a type of smaller blocks.
//
// The rules are llama.cpp's without an importance matrix (llama-quant.cpp of 2026-10), but for those of Falcon and GLM5.
func (m Mixture) Types(metadata *Metadata, entries []Entry) ([]Type, error) {
	p, err := m.plan(metadata, entries)
	if err != nil {
		return nil, err
	}
	types := make([]Type, len(entries))
	for _, i := range layerOrder(entries) {
		e := entries[i]
		switch {
		case !quantizes(e):
			types[i] = e.Type
		case m.base.Quantized():
			types[i] = fallback(p.choose(e), lastOf(e.Shape))
		default:
			types[i] = m.base
		}
	}
	return types, nil
}

// Fallbacks says how many tensors Types gives another type since their rows are no whole number of the mixture's blocks, and
// which, such as "60 of 272 tensors have rows that 256 does not divide: Q5_0 (50), Q8_0 (10)"; "" if there are none.
func (m Mixture) Fallbacks(entries []Entry, types []Type) string {
	counts, n := map[Type]int{}, 0
	for i, e := range entries {
		if quantizes(e) && lastOf(e.Shape)%m.base.BlockValues() != 0 {
			counts[types[i]]++
			n++
		}
	}
	if n == 0 {
		return ""
	}
	var list []string
	for _, t := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s (%d)", t, counts[t]))
	}
	return fmt.Sprintf("%d of %d tensors have rows that %d does not divide: %s", n, len(entries), m.base.BlockValues(), strings.Join(list, ", "))
}

// Convert writes the tensors of f in the types of the mixture, with its metadata. A tensor that has its type already is
// copied; one that is quantized in another way loses a second time.
func (m Mixture) Convert(ctx context.Context, path string, f *File) error {
	metadata := f.Metadata()
	metadata.Set("general.quantization_version", uint32(2))
	metadata.Set("general.file_type", m.fileType)
	entries := make([]Entry, len(f.tensors))
	for i, t := range f.tensors {
		entries[i] = t.Entry()
	}
	types, err := m.Types(metadata, entries)
	if err != nil {
		return err
	}
	for i, t := range f.tensors {
		if types[i] == t.Type {
			continue
		}
		src, err := t.Source()
		if err != nil {
			return err
		}
		entries[i] = Quantized(t.Name, types[i], src, t.Shape...)
	}
	return Write(ctx, path, metadata, entries)
}

// layerOrder are the indices of entries, layer by layer, by name within one: rules count in this order.
func layerOrder(entries []Entry) []int {
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := entries[i].Name, entries[j].Name
		return cmp.Or(cmp.Compare(layerOf(a), layerOf(b)), cmp.Compare(a, b))
	})
	return order
}

// layerOf is N of a name that begins with blk.N., else −1.
func layerOf(name string) int {
	rest, ok := strings.CutPrefix(name, "blk.")
	number, _, dot := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	if !ok || !dot || err != nil {
		return -1
	}
	return n
}

// kept are parts of the names of weights that are too small or too sensitive to be quantized: norms, gates of experts,
// positions, convolutions, what recurrent layers mix with, relative positions, parts for images and sound.
var kept = []string{
	"_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
	"shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight",
	"time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
	"time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
	"time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd",
	"sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
}

// quantizes says whether a tensor is a weight that gets another type: a matrix of several rows, or several (experts).
func quantizes(e Entry) bool {
	rows := 1
	for _, n := range e.Shape[:max(0, len(e.Shape)-1)] {
		rows *= n
	}
	if rows == 1 || !strings.HasSuffix(e.Name, "weight") || e.Name == "position_embd.weight" || e.Name == "token_types.weight" {
		return false
	}
	return !slices.ContainsFunc(kept, func(part string) bool { return strings.Contains(e.Name, part) })
}

// fallback is typ, or where its blocks do not divide a row the type that takes its place.
func fallback(typ Type, row int) Type {
	if row%typ.BlockValues() == 0 {
		return typ
	}
	switch typ {
	case Q4K:
		typ = Q5_0
	case Q5K:
		typ = Q5_1
	case Q6K:
		typ = Q8_0
	}
	if row%typ.BlockValues() != 0 {
		return F16
	}
	return typ
}
