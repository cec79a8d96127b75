package adapter

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
)

// PEFT names a tensor by the module that it belongs to and by what it is there:
//
//	base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
//
// Between the components there may be the adapter's own name, and names of the modules that PEFT and PyTorch put around
// others. A plain name has none of these: it is model.layers.0.self_attn.q_proj.lora_A.weight, or a weight's own name.

const (
	configFile  = "adapter_config.json"
	tensorFile  = "adapter_model.safetensors"
	torchFile   = "adapter_model.bin" // as PEFT wrote it before safetensors
	prefix      = "base_model.model." // PEFT's, before a module's path
	adapterName = "default"           // the one name of an adapter that PEFT's own tensors may have in them
	magnitude   = "lora_magnitude_vector"
)

var (
	// around are modules that are put around another: by PEFT for an adapter, a trained copy and trained tokens, and by
	// torch.compile, FSDP and checkpointing.
	around = []string{"base_layer", "modules_to_save", "token_adapter", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
	// unused are what PEFT keeps beside a trained copy and trained tokens; it does not compute with them.
	unused = []string{"original_module", "trainable_tokens_original"}
	// ofAdapters are how the tensors of adapters begin.
	ofAdapters = []string{"lora_", "vera_", "ia3_", "trainable_tokens_"}
)

// plainName is a tensor's name in a file without what may stand between its components. It is "" for a tensor that nothing
// is computed with.
func plainName(name string) string {
	for _, p := range []string{"module.", "_orig_mod.", prefix, "base_model."} { // DDP's and torch.compile's come first
		name = strings.TrimPrefix(name, p)
	}
	var kept []string
	before := "" // the component before
	parts := strings.Split(name, ".")
	for i, p := range parts {
		own := func(s string) bool { return strings.HasPrefix(before, s) }
		switch {
		case slices.Contains(unused, p):
			return ""
		case p == "base_layer" && before == "experts" && i+1 < len(parts) && strings.HasPrefix(parts[i+1], "lora_"):
			kept = append(kept, p) // the inner one of two parameters' adapters
		case slices.Contains(around, p):
		case p == adapterName && (before == "modules_to_save" || slices.ContainsFunc(ofAdapters, own)):
		case p == "weight" && len(kept) > 0 && kept[len(kept)-1] == magnitude:
		default:
			kept = append(kept, p)
		}
		before = p
	}
	return strings.Join(kept, ".")
}

// storedTensors are the tensors of an adapter's folder by their plain names.
type storedTensors struct {
	*checkpoint.Checkpoint
	names  map[string]string // from plain names to those in the file
	copies []string          // says of tensors that are there twice, and not the same
}

// openTensors opens adapter_model.safetensors or, where there is none, adapter_model.bin.
func openTensors(dir string) (*storedTensors, error) {
	path := filepath.Join(dir, tensorFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, torchFile)); err == nil {
			path = filepath.Join(dir, torchFile)
		}
	}
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	return storedIn(file), nil
}

// roomFor returns a function that is told of each layer that settings make, and refuses to go on once they take far more memory than
// the file can fill: an r that is not that of the file.
func (s *storedTensors) roomFor() func(Layer) error {
	room := 64 << 20
	for _, name := range s.Names() {
		t, _ := s.Get(name)
		room += 16 * len(t.Data)
	}
	return func(l Layer) error {
		for _, p := range l.Adapter.Params() {
			room -= 4 * p.Size()
		}
		if room >= 0 {
			return nil
		}
		bad := MismatchError{}
		for _, t := range storedBy(l.Adapter, l.Adapter.Params()) {
			name := l.Path() + "." + t.Name
			if src, ok := s.get(plainName(prefix + name)); ok && !slices.Equal(src.Shape, t.Shape) {
				bad.Shape = append(bad.Shape, fmt.Sprintf("%s has shape %v, want %v", src.Name, src.Shape, t.Shape))
			}
		}
		return cmp.Or(bad.or(), fmt.Errorf("the settings make layers of %d MiB and more, which the file cannot fill: is r another one than that of the file?", (-room)>>20))
	}
}

// storedIn finds the plain names of the tensors in a file.
func storedIn(file *checkpoint.Checkpoint) *storedTensors {
	s := &storedTensors{Checkpoint: file, names: map[string]string{}}
	for _, name := range file.Names() {
		plain := plainName(name)
		first, twice := s.names[plain]
		switch {
		case plain == "":
		case !twice:
			s.names[plain] = name
		default:
			a, _ := file.Get(first)
			b, _ := file.Get(name)
			if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !slices.Equal(a.Data, b.Data) {
				s.copies = append(s.copies, fmt.Sprintf("%s is not the same as %s", name, first))
			}
		}
	}
	return s
}

// get returns a tensor by its plain name.
func (s *storedTensors) get(plain string) (checkpoint.Tensor, bool) {
	name, ok := s.names[plain]
	if !ok {
		return checkpoint.Tensor{}, false
	}
	return s.Get(name)
}

// WeightShapes returns the shapes of the tensors in an adapter's folder by their plain names: a weight that the adapter
// brings whole, such as classifier.weight, has the name that it has in the model.
func WeightShapes(dir string) (map[string][]int, error) {
	s, err := openTensors(dir)
	if err != nil {
		return nil, fmt.Errorf("adapter: load %s: %w", dir, err)
	}
	defer func() { _ = s.Close() }()
	shapes := map[string][]int{}
	for plain := range s.names {
		t, _ := s.get(plain)
		shapes[plain] = t.Shape
	}
	return shapes, nil
}
