package llamacpp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// ErrUnsupported is the error of what llama.cpp or its files have, and this package does not know.
var ErrUnsupported = errors.New("not supported")

// names are a module's names: Hugging Face's and llama.cpp's. N is the number of a layer. Where E is a number, too, llama.cpp
// stacks the weights of all E in one tensor. Two names of llama.cpp, with a + between, hold half of the rows each.
type names struct{ hf, gguf string }

// An architecture is how llama.cpp keeps the models of a model_type. What is particular to one is a field here: the code that
// reads and writes files does not look at its name.
type architecture struct {
	// name is general.architecture, modelType and class are config.json's.
	name, modelType, class string
	modules                []names
	// marks is a setting that files of this model_type have, where several have the name.
	marks string
	// biased are llama.cpp's modules that may have a bias, without blk.N. ("*" is all).
	biased []string

	// defaults are transformers' for keys that config.json may leave out, as JSON, where they are not those of most.
	defaults string
	// keys are config.json's names of the usual keys, where the model_type has others; "" is for those that it does not have.
	keys map[string]string
	// settings are further keys of config.json that the metadata have as well.
	settings []setting
	// copies are settings that the metadata have under a further key; they are written, and not read.
	copies []setting
	// must are keys of config.json with the only value that llama.cpp computes, as JSON.
	must map[string]string
	// flags are keys of config.json that follow from the tensors of the first layer.
	flags []flag
	// activations are what hidden_act may be. A file is read as the first.
	activations []string

	encoder bool
	// interleaved says that the rows of q_proj and k_proj are in the order of Su et al.'s pairs (2j, 2j+1).
	interleaved bool
	// transposed is a part of the names of llama.cpp's matrices that Hugging Face keeps as [in, out]; "" is none.
	transposed string
	// row is a module of one row that files have as a vector.
	row string
	// shift is added to the weights of norms in llama.cpp's files.
	shift float32
	// turns says that halves of rows are in turns, not one below the other.
	turns bool
	// layerNorm says that norms subtract the mean: their epsilon has another key.
	layerNorm bool
	// tied says that llama.cpp takes the embeddings as the head, untied that it wants a head of its own.
	tied, untied bool
	// square says that queries must have as many values as hidden states.
	square bool

	// learned says that positions are learned, and nothing is rotated.
	learned bool
	// partial says that a part of each head may be rotated (partial_rotary_factor).
	partial bool
	// noRope is the period of layers without rotary positions, which is not written in files; 0 is none.
	noRope int
	// ropeTensors are the kinds of scaling for which llama.cpp reads a tensor: llama3, longrope.
	ropeTensors []string
	// local says that layers with a window have rotary positions of their own, and whether their base has a key.
	local localRope

	// window is the sliding window that llama.cpp gives to the layers but every period-th.
	window windows
	// queryScalar is config.json's query_pre_attn_scalar, which llama.cpp knows without a key.
	queryScalar queryScalar
}

// A flag is a key of config.json that says whether a file has a tensor (of the first layer), or that it has not.
type flag struct {
	config, tensor string
	missing        bool
}

// localRope says how the rotary positions of layers with a window differ.
type localRope int

const (
	localSame  localRope = iota // they do not
	localPlain                  // they have the same base, and are not scaled
	localBase                   // they have another base, and are not scaled
)

// windows are sliding windows.
type windows struct {
	// period of the layers: every period-th sees all tokens. 0 is for architectures to which llama.cpp gives no windows.
	period int
	// optional says that there may be none.
	optional bool
	// layers says that llama.cpp has them in models of so many layers, and in no others; 0 is any number.
	layers int
	// unread says, where llama.cpp gives none, that config.json's sliding_window needs no use_sliding_window.
	unread bool
}

// queryScalar says what query_pre_attn_scalar must be: the size of a head, or hidden_size/num_attention_heads in a model of so
// many layers. 0 is for architectures without the key.
type queryScalar struct{ layers int }

// candidates are the architectures with a name in GGUF.
func candidates(name string) (found []architecture, known []string) {
	for _, a := range all {
		if a.name == name {
			found = append(found, a)
		}
		if !slices.Contains(known, a.name) {
			known = append(known, a.name)
		}
	}
	return found, known
}

// byName finds an architecture by general.architecture, and by what its files have in addition.
func byName(m *gguf.Metadata) (architecture, error) {
	name, err := m.Architecture()
	if err != nil {
		return architecture{}, err
	}
	found, known := candidates(name)
	if found == nil {
		slices.Sort(known)
		return architecture{}, fmt.Errorf("general.architecture %q is %w; supported are %s", name, ErrUnsupported, strings.Join(known, ", "))
	}
	for _, a := range found {
		if n, err := m.Int(name + "." + a.marks); a.marks != "" && err == nil && n > 0 {
			return a, nil
		}
	}
	i := slices.IndexFunc(found, func(a architecture) bool { return a.marks == "" })
	return found[max(0, i)], nil
}

// byModelType finds an architecture by config.json's model_type.
func byModelType(modelType string) (architecture, error) {
	var known []string
	for _, a := range all {
		if a.modelType == modelType {
			return a, nil
		}
		known = append(known, a.modelType)
	}
	return architecture{}, fmt.Errorf("model_type %q has no place in GGUF here: %w; supported are %s", modelType, ErrUnsupported, strings.Join(known, ", "))
}

// usual is config.json with its defaults, under the usual names of keys.
func (a architecture) usual(config []byte) (map[string]json.RawMessage, error) {
	c := map[string]json.RawMessage{}
	for _, raw := range [][]byte{[]byte(commonDefaults), []byte(cmp.Or(a.defaults, "{}")), config} {
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
	}
	for usual, own := range a.keys {
		delete(c, usual)
		if v, ok := c[own]; ok {
			c[usual] = v
		}
	}
	a.nameExperts(c)
	return c, nil
}

// nameExperts gives the number of experts the name that the architecture has for it: config.json may have either of two.
func (a architecture) nameExperts(c map[string]json.RawMessage) {
	own, other := "num_experts", "num_local_experts"
	if slices.Contains(a.settings, localExperts[0]) {
		own, other = other, own
	}
	if v, ok := c[other]; ok && a.marks == expertsKey && !jsonvalue.IsOff(v) {
		c[own] = v
	}
}

// key is config.json's name of a usual key.
func (a architecture) key(usual string) string {
	if own, ok := a.keys[usual]; ok && own != "" {
		return own
	}
	return usual
}

// numbered replaces the numbers of a layer and an entry by N and E, as far as there are any.
func numbered(name string) (pattern string, numbers []string) {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && n >= 0 && strconv.Itoa(n) == p && len(numbers) < 2 {
			parts[i] = []string{"N", "E"}[len(numbers)]
			numbers = append(numbers, p)
		}
	}
	return strings.Join(parts, "."), numbers
}

// fill puts numbers in place of N and E.
func fill(pattern string, numbers ...string) string {
	parts := strings.Split(pattern, ".")
	for i, letter := range []string{"N", "E"} {
		if at := slices.Index(parts, letter); at >= 0 && i < len(numbers) {
			parts[at] = numbers[i]
		}
	}
	return strings.Join(parts, ".")
}

// split cuts MODULE.weight or MODULE.bias; a parameter without such an end is a module with the end "".
func split(name string) (module, end string) {
	for _, end := range []string{".weight", ".bias"} {
		if module, ok := strings.CutSuffix(name, end); ok {
			return module, end
		}
	}
	return name, ""
}

// mayBias says whether a module of llama.cpp may have a bias.
func (a architecture) mayBias(gguf string) bool {
	return slices.Contains(a.biased, "*") || slices.Contains(a.biased, gguf[strings.LastIndexByte(gguf, '.')+1:])
}

// A place is where a weight lies in a file: tensors that hold the whole or half of its rows each, or entry of them.
type place struct {
	tensors []string
	stacked bool
	entry   int
}

// place finds llama.cpp's tensors of a weight.
func (a architecture) place(hf string) (place, bool) {
	if a.encoder {
		hf = strings.TrimPrefix(hf, "bert.")
	}
	module, end := split(hf)
	pattern, numbers := numbered(module)
	i := slices.IndexFunc(a.modules, func(n names) bool { return n.hf == pattern })
	if i < 0 {
		return place{}, false
	}
	p := place{entry: -1}
	for part := range strings.SplitSeq(a.modules[i].gguf, "+") {
		if end == ".bias" && !a.mayBias(part) {
			return place{}, false
		}
		name := fill(part, numbers...)
		if end == "" {
			name += ".weight"
		}
		p.tensors = append(p.tensors, name+end)
	}
	if len(numbers) == 2 {
		p.stacked = true
		p.entry, _ = strconv.Atoi(numbers[1]) // numbered has read it
	}
	return p, true
}

// hfNames are Hugging Face's names of the weights in a tensor of the file; entries is how many it has if it is stacked.
func (a architecture) hfNames(name string, entries int) []string {
	module, end := split(name)
	pattern, numbers := numbered(module)
	for _, n := range a.modules {
		if !slices.Contains(strings.Split(n.gguf, "+"), pattern) || end == ".bias" && !a.mayBias(pattern) {
			continue
		}
		if last := n.hf[strings.LastIndexByte(n.hf, '.')+1:]; last == "sinks" {
			end = ""
		}
		if !strings.Contains(n.hf, ".E.") && !strings.HasSuffix(n.hf, ".E") {
			return []string{fill(n.hf, numbers...) + end}
		}
		var all []string
		for e := range entries {
			all = append(all, fill(n.hf, append(slices.Clone(numbers), strconv.Itoa(e))...)+end)
		}
		return all
	}
	return nil
}

// hf is Hugging Face's name of the weight of a module of llama.cpp, "" if there is none.
func (a architecture) hf(gguf string) string {
	pattern, numbers := numbered(gguf)
	for _, n := range a.modules {
		if n.gguf == pattern {
			return fill(n.hf, numbers...) + ".weight"
		}
	}
	return ""
}

// interleaves is the size of the heads whose rows are interleaved, 0 where a weight's rows are in Hugging Face's order.
func (a architecture) interleaves(hfName string, headDim int) int {
	if a.interleaved && (strings.Contains(hfName, ".q_proj.") || strings.Contains(hfName, ".k_proj.")) {
		return headDim
	}
	return 0
}

// shifts is what llama.cpp's files add to a weight.
func (a architecture) shifts(hfName string) float32 {
	if strings.HasSuffix(hfName, "norm.weight") {
		return a.shift
	}
	return 0
}
