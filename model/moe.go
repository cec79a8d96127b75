package model

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/op"
)

// MoEConfig has the keys of config.json for mixtures of experts. A config embeds it and sets the architecture's defaults.
type MoEConfig struct {
	NumExpertsPerTok int `json:"num_experts_per_tok"`
	// NumExperts and NumLocalExperts are two names of one key.
	NumExperts      int  `json:"num_experts"`
	NumLocalExperts int  `json:"num_local_experts"`
	NormTopkProb    bool `json:"norm_topk_prob"`
	// OutputRouterLogits adds RouterAuxLossCoef times the routers' auxiliary loss to the loss.
	OutputRouterLogits bool    `json:"output_router_logits"`
	RouterAuxLossCoef  float64 `json:"router_aux_loss_coef"`
}

// experts is the number of experts in each of a model's layers, by default the family's, or what is wrong with the keys.
func (c *MoEConfig) experts(standard, layers int) (int, error) {
	n := max(c.NumExperts, c.NumLocalExperts)
	if c.NumExperts+c.NumLocalExperts == 0 {
		n = standard
	}
	if c.NumExperts > 0 && c.NumLocalExperts > 0 && c.NumExperts != c.NumLocalExperts {
		return 0, fmt.Errorf("config.json: num_experts is %d, num_local_experts %d; they are two names of one key", c.NumExperts, c.NumLocalExperts)
	}
	if err := positive("num_experts", n, "num_experts_per_tok", c.NumExpertsPerTok); err != nil {
		return 0, err
	}
	if c.NumExpertsPerTok > n {
		return 0, fmt.Errorf("config.json: num_experts_per_tok is %d, num_experts %d", c.NumExpertsPerTok, n)
	}
	return n, fewParts("num_hidden_layers", layers, "num_experts", n)
}

// auxLoss is the factor of the routers' auxiliary loss in the loss of a language model.
func (c *MoEConfig) auxLoss() float32 {
	if !c.OutputRouterLogits {
		return 0
	}
	return float32(c.RouterAuxLossCoef)
}

// mixtureOfExperts is a feed-forward part of experts, of which a router chooses some for each token (Shazeer et al. 2017, arXiv
// 1701.06538).
type mixtureOfExperts struct {
	Router  *Linear   `hf:"gate"`
	Experts []*expert `hf:"experts"`

	k         int
	normalize bool
	balanced  bool // AddBalance's loss counts the choices
	gate      op.GateFunc
}

// expert is one of them. In transformers the experts' layers are entries of two parameters, and so are the names that PEFT
// gives them (Weight.Entry).
type expert struct {
	GateUp *Linear `hf:"gate_up_proj"` // [2·intermediate, hidden]
	Down   *Linear `hf:"down_proj"`    // [hidden, intermediate]
}

// newMixture declares n experts of an intermediate size.
func (c *DecoderConfig) newMixture(m *MoEConfig, n, intermediate int, normalize bool) *mixtureOfExperts {
	x := &mixtureOfExperts{Router: NewLinear(n, c.HiddenSize, false), k: m.NumExpertsPerTok, normalize: normalize,
		balanced: m.auxLoss() != 0, gate: op.GateOf(c.activation)}
	x.Router.parameter = true
	for i := range n {
		x.Experts = append(x.Experts, newExpert(NewLinear(2*intermediate, c.HiddenSize, false), NewLinear(c.HiddenSize, intermediate, false), i, n))
	}
	return x
}

// newExpert makes two layers expert i of n.
func newExpert(gateUp, down *Linear, i, n int) *expert {
	for _, l := range []*Linear{gateUp, down} {
		l.parameter = true
		for _, w := range []*Weight{l.Weight, l.Bias} {
			if w != nil {
				w.entry, w.entries = i, n
			}
		}
	}
	return &expert{gateUp, down}
}

// Forward implements feedForward.
func (m *mixtureOfExperts) Forward(p *op.Pass, x mat.Tensor) mat.Tensor {
	all := make([]op.Expert, len(m.Experts))
	for i, e := range m.Experts {
		all[i] = op.Expert{GateUp: e.GateUp, Down: e.Down}
	}
	weights := op.TopK(p, op.Linear(p, x, m.Router), m.k, m.normalize, m.balanced)
	return op.Experts(p, x, weights, m.k, all, m.gate)
}

var expertName = regexp.MustCompile(`\.experts\.(\d+)\.(gate_up_proj|down_proj)\.(weight|bias)$`)

// OfExpert says whether the weight is that of one expert of a mixture: an entry of a parameter of transformers.
func (w *Weight) OfExpert() bool { return w.entries > 0 }

// Entry says which entry of a parameter of transformers the weight of an expert is; entries is 0 for other weights.
func (w *Weight) Entry() (parameter string, entry, entries int) {
	if parameter, entry, ok := expertEntry(w.Name); ok && w.OfExpert() {
		return parameter, entry, w.entries
	}
	return "", 0, 0
}

// expertEntry is the parameter of which the weight of that name is an entry, and the entry's number.
func expertEntry(name string) (parameter string, entry int, ok bool) {
	m := expertName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	parameter = strings.TrimSuffix(name, m[0]) + ".experts." + m[2]
	if m[3] == "bias" {
		parameter += "_bias"
	}
	entry, err := strconv.Atoi(m[1])
	return parameter, entry, err == nil
}

// storedExperts is where experts' weights lie in checkpoints with a tensor for each of their three layers; gate, up and down are
// these layers' names.
func storedExperts(name, gate, up, down string) []StoredPart {
	if !expertName.MatchString(name) {
		return nil
	}
	at := strings.LastIndex(name, ".gate_up_proj.")
	if at < 0 {
		return []StoredPart{{Name: strings.Replace(name, ".down_proj.", "."+down+".", 1)}}
	}
	rest := name[at+len(".gate_up_proj"):]
	return []StoredPart{{Name: name[:at] + "." + gate + rest}, {Name: name[:at] + "." + up + rest}}
}
