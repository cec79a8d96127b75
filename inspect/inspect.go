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

// SingularValueThreshold is the bound above which singular values of ΔW are counted, the MoRA paper's.
const SingularValueThreshold = 0.1

// Inspection is what is in a folder: a model's, or an adapter's.
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
	// Bytes is what the weights take as they are stored; they stay so while they are frozen.
	Bytes   int           `json:"weight_bytes"`
	Tensors []TensorGroup `json:"tensors"`
}

// TensorGroup is the tensors that differ only in their layer's number.
type TensorGroup struct {
	// Name has * for the number.
	Name       string           `json:"name"`
	Shape      []int            `json:"shape"`
	DType      checkpoint.DType `json:"dtype"`
	Count      int              `json:"count"`
	Parameters int              `json:"parameters"`
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	// Method is the kind of adapter, with MoRA's operators.
	Method string `json:"method"`
	// BaseModel is the model that it was opened on.
	BaseModel  string `json:"base_model"`
	Parameters int    `json:"parameters"`
	// Share is of the base's parameters and its own.
	Share float64 `json:"share"`
	// Bytes is its size as float32; TrainingBytes with gradients and AdamW's moments.
	Bytes         int             `json:"bytes"`
	TrainingBytes int             `json:"training_bytes"`
	Layers        []AdaptedLayers `json:"layers"`
}

// AdaptedLayers is the adapted layers, or tables of embeddings, of one name and shape.
type AdaptedLayers struct {
	Name string `json:"name"`
	// Out and In are a layer's; of a table they are its rows and the size of one.
	Out int `json:"out_features"`
	In  int `json:"in_features"`
	// R is the rank of LoRA's kin, RHat the side of MoRA's matrix. A method has one of them, or neither.
	R          int `json:"r,omitempty"`
	RHat       int `json:"rhat,omitempty"`
	Count      int `json:"count"`
	Parameters int `json:"parameters"`
	// Singular is how many singular values of ΔW are above SingularValueThreshold, and Largest the largest one: both averages
	// over the layers.
	Singular float64 `json:"singular_values"`
	Largest  float64 `json:"largest_singular_value"`
}

// Folder reads a model's or an adapter's folder. An adapter is opened on modelName or, where that is "", on the model
// that its settings name.
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

func inspectModel(ctx context.Context, dir string) (*ModelInfo, error) {
	m, err := model.Load(ctx, dir, model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	s := m.Config()
	i := &ModelInfo{Layers: s.NumHiddenLayers, Hidden: s.HiddenSize, Vocab: s.VocabSize, Positions: s.MaxPositionEmbeddings, Parameters: m.NumParameters(), Bytes: m.WeightBytes()}
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(m.ConfigJSON, &c); err != nil {
		return nil, err
	}
	i.ModelType = c.ModelType
	file, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	m.Weights(func(w *model.Weight) {
		t, ok := file.Get(w.Name)
		if !ok {
			return // tied
		}
		g := TensorGroup{Name: layerNumber.ReplaceAllString(w.Name, ".*."), Shape: t.Shape, DType: t.DType}
		at := slices.IndexFunc(i.Tensors, func(o TensorGroup) bool {
			return o.Name == g.Name && o.DType == g.DType && slices.Equal(o.Shape, g.Shape)
		})
		if at < 0 {
			i.Tensors, at = append(i.Tensors, g), len(i.Tensors)
		}
		i.Tensors[at].Count++
		i.Tensors[at].Parameters += t.Size()
	})
	return i, nil
}

func inspectAdapter(ctx context.Context, dir, modelName string) (*AdapterInfo, error) {
	if modelName == "" {
		var err error
		if modelName, err = infer.BaseModel(dir); err != nil {
			return nil, err
		}
	}
	l, err := infer.Open(ctx, modelName, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	n := l.Attached.NumTrainable()
	a := &AdapterInfo{
		Method: adapter.MethodName(l.Attached.Method), BaseModel: modelName, Parameters: n, Share: float64(n) / float64(n+l.Model.NumParameters()),
		Bytes: 4 * n, TrainingBytes: 16 * n,
	}
	ranks, err := l.Attached.Spectra(ctx, SingularValueThreshold)
	if err != nil {
		return nil, err
	}
	on := []adapted{}
	for _, layer := range l.Attached.Layers() {
		on = append(on, layer.Adapter)
	}
	for _, table := range l.Attached.Tables() {
		on = append(on, table.Adapter)
	}
	for i, r := range ranks {
		a.add(r, on[i])
	}
	for i := range a.Layers {
		a.Layers[i].Singular /= float64(a.Layers[i].Count)
		a.Layers[i].Largest /= float64(a.Layers[i].Count)
	}
	return a, nil
}

// adapted is an adapter of a layer or of a table.
type adapted interface{ Params() []model.Param }

// add counts a layer or a table in.
func (a *AdapterInfo) add(r adapter.Spectrum, on adapted) {
	g := AdaptedLayers{Name: r.Path[strings.LastIndexByte(r.Path, '.')+1:], Out: r.Out, In: r.In}
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
	s := &a.Layers[at]
	s.Count++
	s.Parameters += size
	s.Singular += float64(r.Rank)
	s.Largest += r.Largest
}
