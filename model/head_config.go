package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// suffixes end Hugging Face's class names; each stands for a kind of head.
var suffixes = []struct {
	suffix string
	kind   head.Kind
}{
	{"ForCausalLM", head.CausalLM}, {"LMHeadModel", head.CausalLM}, {"ForMaskedLM", head.MaskedLM}, {"ForPreTraining", head.MaskedLM},
	{"ForConditionalGeneration", head.Seq2SeqLM}, {"MTModel", head.Seq2SeqLM}, {"ForSequenceClassification", head.SequenceClassification},
	{"ForTokenClassification", head.TokenClassification}, {"ForQuestionAnswering", head.QuestionAnswering},
	{"ForMultipleChoice", head.MultipleChoice}, {"Model", head.FeatureExtraction},
}

// headKeys are the keys of config.json that say which head there is.
type headKeys struct {
	Architectures []string          `json:"architectures"`
	ID2Label      map[string]string `json:"id2label"`
	NumLabels     *int              `json:"num_labels"`
	ProblemType   string            `json:"problem_type"`
}

// headFor is the head that a config or the options ask for, and the config with it.
func (f Architecture) headFor(config []byte, o Options) ([]byte, head.Config, error) {
	var k headKeys
	if err := json.Unmarshal(config, &k); err != nil {
		return nil, head.Config{}, fmt.Errorf("config.json: %w", jsonvalue.Explain(err))
	}
	own := head.Config{Kind: f.Kind, ProblemType: k.ProblemType}
	if len(k.Architectures) > 0 {
		i := slices.IndexFunc(suffixes, func(s struct {
			suffix string
			kind   head.Kind
		}) bool {
			return strings.HasSuffix(k.Architectures[0], s.suffix)
		})
		if i < 0 {
			return nil, own, fmt.Errorf("config.json: architectures: the head of %q is not known", k.Architectures[0])
		}
		own.Kind = suffixes[i].kind
		for kind, class := range f.Classes {
			if class == k.Architectures[0] {
				own.Kind = kind
			}
		}
	}
	var err error
	if own.Labels, err = k.labels(); err != nil {
		return nil, own, err
	}
	want := o.Head
	if want.Kind == own.Kind && defaultNames(want.Labels) && len(want.Labels) == len(own.Labels) && (want.ProblemType == "" || want.ProblemType == own.Problem()) {
		want.Labels = nil // such names say nothing, so the model's own stay
	}
	if want.Kind == "" || want.Kind == own.Kind && want.Labels == nil {
		return config, own, checkHead(want, own.Kind)
	}
	if err := checkHead(want, want.Kind); err != nil {
		return nil, want, err
	}
	config, err = f.withHead(config, want)
	return config, want, err
}

// checkHead says what is wrong with c, a head that the options ask for, or with the kind k.
func checkHead(c head.Config, k head.Kind) error {
	switch {
	case objectives[k] == nil:
		return fmt.Errorf("head %q is not known; known are %v", k, Kinds())
	case !slices.Contains([]string{"", head.SingleLabel, head.MultiLabel, head.Regression}, c.ProblemType):
		return fmt.Errorf("problem_type %q is not known; known are %s, %s, %s", c.ProblemType, head.SingleLabel, head.MultiLabel, head.Regression)
	case c.Kind != "" && (k == head.SequenceClassification || k == head.TokenClassification) && len(c.Labels) == 0 && c.Labels != nil:
		return fmt.Errorf("a head for %s needs labels", k)
	}
	return nil
}

// labels are the names of the classes in the order of their ids; by default there are two, as in transformers.
func (k headKeys) labels() ([]string, error) {
	n := 2
	if k.NumLabels != nil {
		n = *k.NumLabels
	}
	if len(k.ID2Label) > 0 {
		n = len(k.ID2Label)
	}
	if n < 1 || n > 1<<16 {
		return nil, fmt.Errorf("config.json: %d labels", n)
	}
	labels := make([]string, n)
	for i := range labels {
		labels[i] = defaultName(i)
	}
	for id, l := range k.ID2Label {
		i, err := strconv.Atoi(id)
		if err != nil || i < 0 || i >= n {
			return nil, fmt.Errorf("config.json: id2label: %q is not an id from 0 to %d", id, n-1)
		}
		labels[i] = l
	}
	return labels, nil
}

// defaultName is transformers' name of a class that config.json does not name.
func defaultName(id int) string { return "LABEL_" + strconv.Itoa(id) }

// defaultNames says whether all names of classes are default ones.
func defaultNames(labels []string) bool {
	for i, l := range labels {
		if l != defaultName(i) {
			return false
		}
	}
	return len(labels) > 0
}

// withHead is a config.json with another head in it.
func (f Architecture) withHead(config []byte, c head.Config) ([]byte, error) {
	all, err := jsonvalue.Object(config)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	for _, s := range suffixes {
		if s.kind == c.Kind {
			all["architectures"] = []string{cmp.Or(f.Classes[c.Kind], f.Class+s.suffix)}
			break
		}
	}
	delete(all, "num_labels")
	if c.Labels != nil {
		id2label, label2id := map[string]string{}, map[string]int{}
		for i, l := range c.Labels {
			id2label[strconv.Itoa(i)], label2id[l] = l, i
		}
		all["id2label"], all["label2id"] = id2label, label2id
	}
	if c.Kind == head.SequenceClassification {
		all["problem_type"] = c.Problem()
	}
	return json.MarshalIndent(all, "", "  ")
}

// wantsHead says whether the options ask for a head, so that a new one may be made.
func (m *Model) wantsHead() bool { return m.Options.Head.Kind != "" }

// elsewhere says whether a tensor belongs to a head, or to another part that a model with a head of the kind does not have.
func (f Architecture) elsewhere(k head.Kind, name string) bool {
	if f.Elsewhere != nil && f.Elsewhere(k, name) {
		return true
	}
	backbone := slices.ContainsFunc(f.prefixes(), func(p string) bool { return strings.HasPrefix(name, p) })
	return !backbone || strings.Contains(name, "pooler.")
}
