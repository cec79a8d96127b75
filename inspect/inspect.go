package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// SingularValueThreshold is the bound above which singular values of ΔW are counted, as in the MoRA paper (Jiang et al.
// 2024, arXiv 2405.12130).
const SingularValueThreshold = 0.1

// Inspection describes a folder. Either Model or Adapter is set.
type Inspection struct {
	Dir     string       `json:"dir"`
	Model   *ModelInfo   `json:"model,omitempty"`
	Adapter *AdapterInfo `json:"adapter,omitempty"`
}

// ModelInfo describes a model.
type ModelInfo struct {
	ModelType  string `json:"model_type"`
	Layers     int    `json:"num_hidden_layers"`
	Hidden     int    `json:"hidden_size"`
	Vocab      int    `json:"vocab_size"`
	Positions  int    `json:"max_position_embeddings"`
	Parameters int    `json:"parameters"`
	// Bytes is the size of the weights as they are stored. Frozen weights take as much in memory.
	Bytes   int           `json:"weight_bytes"`
	Tensors []TensorGroup `json:"tensors"`
	// Notes say what is odd about the model.
	Notes []string `json:"notes,omitempty"`
}

// TensorGroup describes tensors that differ only in the number of their layer.
type TensorGroup struct {
	// Name has * in place of the number.
	Name       string           `json:"name"`
	Shape      []int            `json:"shape"`
	DType      checkpoint.DType `json:"dtype"`
	Count      int              `json:"count"`
	Parameters int              `json:"parameters"`
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	// Method is the name of the method, for MoRA with its operators.
	Method string `json:"method"`
	// BaseModel is the model that the adapter was opened on.
	BaseModel  string `json:"base_model"`
	Parameters int    `json:"parameters"`
	// Share is Parameters divided by the parameters of base and adapter together.
	Share float64 `json:"share"`
	// Bytes is the adapter's size in float32, TrainingBytes its size with gradients and AdamW's moments.
	Bytes         int             `json:"bytes"`
	TrainingBytes int             `json:"training_bytes"`
	Layers        []AdaptedLayers `json:"layers"`
}

// AdaptedLayers describes the adapted layers, or tables of embeddings, of one name and shape.
type AdaptedLayers struct {
	Name string `json:"name"`
	// Out and In are a layer's; a table has that many rows, each of that size.
	Out int `json:"out_features"`
	In  int `json:"in_features"`
	// R is the rank of LoRA and its variants, RHat the side of MoRA's square matrix. A method has one of them, or
	// neither.
	R          int `json:"r,omitempty"`
	RHat       int `json:"rhat,omitempty"`
	Count      int `json:"count"`
	Parameters int `json:"parameters"`
	// SingularValues is the number of singular values of ΔW above SingularValueThreshold, LargestSingularValue the
	// largest one. Both are means over the layers.
	SingularValues       float64 `json:"singular_values"`
	LargestSingularValue float64 `json:"largest_singular_value"`
}

// Folder describes the folder of a model or an adapter. An adapter is opened on modelName or, if that is "", on the
// model that its adapter_config.json names.
func Folder(ctx context.Context, dir, modelName string) (*Inspection, error) {
	i, err := folder(ctx, dir, modelName)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return i, nil
}

func folder(ctx context.Context, name, modelName string) (*Inspection, error) {
	dir, err := infer.ModelDir(name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "adapter_config.json")); err == nil {
		a, err := inspectAdapter(ctx, dir, modelName)
		return &Inspection{Dir: dir, Adapter: a}, err
	}
	if modelName != "" {
		return nil, fmt.Errorf("%s has no adapter_config.json; --model is for adapters", dir)
	}
	m, err := inspectModel(ctx, dir)
	return &Inspection{Dir: dir, Model: m}, err
}

var layerNumber = regexp.MustCompile(`\.\d+\.`)

// inspectModel describes the model in a folder.
func inspectModel(ctx context.Context, dir string) (*ModelInfo, error) {
	m, err := model.Load(ctx, dir, model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	c := m.Config()
	i := &ModelInfo{Layers: c.NumHiddenLayers, Hidden: c.HiddenSize, Vocab: c.VocabSize, Positions: c.MaxPositionEmbeddings,
		Parameters: m.NumParameters(), Bytes: m.WeightBytes(), Notes: m.Warnings}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(m.ConfigJSON, &config); err != nil {
		return nil, err
	}
	i.ModelType = config.ModelType
	m.Weights(func(w *model.Weight) {
		if w.Tied() != nil {
			return
		}
		g := TensorGroup{Name: layerNumber.ReplaceAllString(w.Name, ".*."), Shape: w.Shape, DType: w.DType()}
		at := slices.IndexFunc(i.Tensors, func(o TensorGroup) bool {
			return o.Name == g.Name && o.DType == g.DType && slices.Equal(o.Shape, g.Shape)
		})
		if at < 0 {
			i.Tensors, at = append(i.Tensors, g), len(i.Tensors)
		}
		i.Tensors[at].Count++
		i.Tensors[at].Parameters += w.Size()
	})
	return i, nil
}

// inspectAdapter describes the adapter in a folder.
func inspectAdapter(ctx context.Context, dir, modelName string) (*AdapterInfo, error) {
	if modelName == "" {
		var err error
		if modelName, err = infer.BaseModel(dir); err != nil {
			return nil, err
		}
	}
	s, err := infer.Open(ctx, modelName, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	n := s.Attached.NumTrainable()
	a := &AdapterInfo{
		Method: adapter.MethodName(s.Attached.Method), BaseModel: modelName, Parameters: n, Share: float64(n) / float64(n+s.Model.NumParameters()),
		Bytes: 4 * n, TrainingBytes: 16 * n,
	}
	spectra, err := s.Attached.Spectra(ctx, SingularValueThreshold)
	if err != nil {
		return nil, err
	}
	on := []adapted{}
	for _, layer := range s.Attached.Layers() {
		on = append(on, layer.Adapter)
	}
	for _, table := range s.Attached.Tables() {
		on = append(on, table.Adapter)
	}
	for i, spectrum := range spectra {
		a.add(spectrum, on[i])
	}
	for i := range a.Layers {
		a.Layers[i].SingularValues /= float64(a.Layers[i].Count)
		a.Layers[i].LargestSingularValue /= float64(a.Layers[i].Count)
	}
	return a, nil
}

// adapted is an adapter of a layer or of a table.
type adapted interface{ Params() []model.Param }

// add counts a layer or a table with its adapter and the spectrum of its ΔW.
func (a *AdapterInfo) add(s adapter.Spectrum, on adapted) {
	g := AdaptedLayers{Name: s.Path[strings.LastIndexByte(s.Path, '.')+1:], Out: s.Out, In: s.In}
	size := 0
	for _, p := range on.Params() {
		size += p.Size()
	}
	if r, ok := on.(adapter.Ranker); ok {
		switch symbol, n := r.Rank(); symbol {
		case "r":
			g.R = n
		case "r̂":
			g.RHat = n
		}
	}
	at := slices.IndexFunc(a.Layers, func(o AdaptedLayers) bool {
		return o.Name == g.Name && o.Out == g.Out && o.In == g.In && o.R == g.R && o.RHat == g.RHat
	})
	if at < 0 {
		a.Layers, at = append(a.Layers, g), len(a.Layers)
	}
	l := &a.Layers[at]
	l.Count++
	l.Parameters += size
	l.SingularValues += float64(s.Rank)
	l.LargestSingularValue += s.Largest
}
