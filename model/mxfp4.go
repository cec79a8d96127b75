package model

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
)

// mxfp4 is the quant_method of weights in MXFP4.
const mxfp4 = "mxfp4"

// openWeights opens the weights of a folder with that config.json.
func openWeights(dir string, config []byte) (weightFile, error) {
	f, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	var c struct {
		Quantization quantization `json:"quantization_config"`
	}
	if json.Unmarshal(config, &c) != nil || c.Quantization.Method != mxfp4 { // other faults have been reported
		return f, nil
	}
	m, err := newMXFP4File(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// mxfp4File is a checkpoint with weights in MXFP4: the tensors NAME_blocks and NAME_scales are seen as one, NAME.
type mxfp4File struct {
	*checkpoint.Checkpoint
	names  []string
	packed map[string]checkpoint.Tensor
}

// newMXFP4File pairs the tensors; those without the other one are a *MismatchError.
func newMXFP4File(f *checkpoint.Checkpoint) (*mxfp4File, error) {
	m := &mxfp4File{Checkpoint: f, packed: map[string]checkpoint.Tensor{}}
	var missing []string
	for _, n := range f.Names() {
		if name, ok := strings.CutSuffix(n, "_scales"); ok {
			if _, ok := f.Get(name + "_blocks"); !ok {
				missing = append(missing, name+"_blocks")
			}
			continue
		}
		name, isBlocks := strings.CutSuffix(n, "_blocks")
		if !isBlocks {
			m.names = append(m.names, n)
			continue
		}
		blocks, _ := f.Get(n)
		scales, ok := f.Get(name + "_scales")
		if !ok {
			missing = append(missing, name+"_scales")
			continue
		}
		t, err := checkpoint.PackedMXFP4(name, blocks, scales)
		if err != nil {
			return nil, err
		}
		m.names, m.packed[name] = append(m.names, name), t
	}
	return m, (&MismatchError{Missing: missing}).or()
}

// Names implements weightFile.
func (m *mxfp4File) Names() []string { return m.names }

// Get implements weightFile.
func (m *mxfp4File) Get(name string) (checkpoint.Tensor, bool) {
	if t, ok := m.packed[name]; ok {
		return t, true
	}
	return m.Checkpoint.Get(name)
}
