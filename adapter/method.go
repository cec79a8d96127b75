package adapter

import (
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// Method is a way of changing linear layers: a pointer to a struct that embeds Common and whose JSON is
// adapter_config.json. What else a method may do is in the optional interfaces TargetPreparer, Validator,
// ConfigTranslator, TensorNameReader, InputDropper, LinearFilter, PatternLister, HookProvider, SharedTensorStorer, MethodNamer and Noter.
type Method interface {
	// Settings returns the settings that every method has.
	Settings() *Common
	// Adapt makes the adapter of one layer, untrained. Attach calls it with settings that are complete and valid. rng is the
	// layer's own generator. It is nil where the values are about to be read from a file and need not be drawn.
	//
	// The adapter may implement, besides the optional interfaces of package model, Ranker, TensorStorer, AfterLoader,
	// SpectrumFactorer and LowRankFactorer.
	Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error)
}

// Validator is implemented by a method with settings that may be wrong.
type Validator interface {
	// Validate returns an error that names the key of a setting that cannot be, and changes nothing.
	Validate() error
}

// TargetPreparer is implemented by a method that depends on all the layers it is for, such as VeRA, whose random matrices
// are as large as the largest of them.
type TargetPreparer interface {
	// PrepareTargets returns the method to use on the layers. It changes neither the layers nor its receiver.
	PrepareTargets(targets []*model.Linear) (Method, error)
}

// ConfigTranslator is implemented by a method whose file has other settings than the struct, such as PiSSA, which PEFT
// opens as a LoRA of twice the rank.
type ConfigTranslator interface {
	// ToFile changes the settings, by their keys, that are about to be written.
	ToFile(settings map[string]any)
	// FromFile changes the struct after a file has been read into it.
	FromFile() error
}

// TensorNameReader is implemented by a method with a setting that is not in adapter_config.json, and that the names of the
// tensors tell.
type TensorNameReader interface {
	// ReadTensorNames is called before the layers are adapted, with the names of all tensors in the file.
	ReadTensorNames(names []string)
}

// InputDropper is implemented by a method with dropout on the adapter's input.
type InputDropper interface {
	// InputDropout is the probability, 0 or more and below 1, with which a value of the input is zeroed in training.
	InputDropout() float32
}

// LinearFilter is implemented by a method that cannot be on every linear layer.
type LinearFilter interface {
	// TakesLinear says whether "all-linear" chooses a layer.
	TakesLinear(l *model.Linear) bool
}

// PatternLister is implemented by a method with settings whose keys are regular expressions for layers.
type PatternLister interface {
	// LayerPatterns returns the expressions by the name of their setting. Each must match an adapted layer.
	LayerPatterns() map[string][]string
}

// MethodNamer is implemented by a method that people call otherwise than its type.
type MethodNamer interface {
	// MethodName returns the name, such as "LoRA+", with what the settings add to it.
	MethodName() string
}

// Noter is implemented by a method that has something to say in Describe.
type Noter interface {
	// Note returns a line, or "".
	Note() string
}

// Ranker is implemented by a layer's adapter whose size is one number: the rank r of LoRA's kin, or the side r̂ of MoRA's
// matrix.
type Ranker interface {
	// Rank returns the symbol, such as "r", and the number.
	Rank() (symbol string, n int)
}

// SpectrumFactorer is implemented by a layer's adapter whose ΔW is made of smaller matrices, for Spectra.
type SpectrumFactorer interface {
	// SpectrumFactors returns matrices that have, together, the singular values of ΔW [out, in] other than 0. Package
	// spectrum has functions that make them.
	SpectrumFactors(out, in int) []*mat.Dense
}

// LowRankFactorer is implemented by a layer's adapter whose ΔW is a product of two smaller matrices.
type LowRankFactorer interface {
	// LowRankFactors returns matrices of the caller's own with ΔW = b·a: b [out, r] and a [r, in].
	LowRankFactors(out, in int) (b, a tensor.Matrix)
}

// StoredTensor is a tensor in an adapter's file. Several tensors may stand for the same parameter: Save writes all that are
// not ReadOnly, and Load wants one of them at least.
type StoredTensor struct {
	// Name is the tensor's name after the layer's path, such as "lora_A.weight".
	Name  string
	Shape []int
	// Param is the parameter that the tensor stands for; it need not train.
	Param *nn.Param
	// ReadOnly says that Load reads the tensor where a file has it, and that Save does not write it.
	ReadOnly bool
	// Pack makes the tensor's values, and Unpack takes them apart, where these are not simply Param's values. Elsewhere both
	// are nil.
	Pack   func() []float32
	Unpack func([]float32)
}

// TensorStorer is implemented by a layer's adapter whose tensors in the file are not simply its Params.
type TensorStorer interface {
	// StoredTensors lists the layer's tensors.
	StoredTensors() []StoredTensor
}

// SharedTensorStorer is implemented by a method whose layers have tensors in common.
type SharedTensorStorer interface {
	// SharedTensors lists the common tensors by their full names, such as "base_model.vera_A".
	SharedTensors() []StoredTensor
}

// AfterLoader is implemented by a layer's adapter that has something to do when its tensors have been read.
type AfterLoader interface {
	// AfterLoad is called once, after Load has filled the parameters.
	AfterLoad()
}

// Layer is one adapted layer.
type Layer struct {
	*model.Linear
	// Adapter is what the method made for the layer.
	Adapter model.Adapter
}

// HookProvider is implemented by a method that does more in training than follow its gradients, such as AdaLoRA.
type HookProvider interface {
	// Hooks returns the hooks of a training of the layers.
	Hooks(layers []Layer) Hooks
}

// Hooks are what a method does in training besides following its gradients.
type Hooks interface {
	// OnTrainBegin hears how many steps the run has. The error says which setting does not fit.
	OnTrainBegin(total int) error
	// OnPreOptimizerStep may add to the gradients of a step when they are complete.
	OnPreOptimizerStep()
	// OnStepEnd hears that a step, counted from 1, has moved the parameters. Their gradients are still there.
	OnStepEnd(step int)
	// State lists what a run needs besides the parameters to go on later.
	State() []StateTensor
}

// StateTensor is a part of the state of Hooks.
type StateTensor struct {
	Name string
	// Values points to nil, where there are none yet, or to Size numbers.
	Values *[]float32
	Size   int
}
