package adapter

import (
	"iter"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
)

// taskTypes are PEFT's names of the kinds of models; it has none for a masked language model.
var taskTypes = map[head.Kind]string{
	head.CausalLM: "CAUSAL_LM", head.Seq2SeqLM: "SEQ_2_SEQ_LM", head.SequenceClassification: "SEQ_CLS",
	head.TokenClassification: "TOKEN_CLS", head.QuestionAnswering: "QUESTION_ANS", head.FeatureExtraction: "FEATURE_EXTRACTION",
}

// HeadOf is the kind of head that a task_type is for, "" for none.
func HeadOf(taskType string) head.Kind {
	for kind, name := range taskTypes {
		if name == taskType {
			return kind
		}
	}
	return ""
}

// BaseModelName is how an adapter's settings name the model in a folder: by its id on the Hugging Face Hub, where the
// folder is one of the Hub's cache (…/models--ORG--NAME/snapshots/…), else by the folder's own name. It is never a path,
// which would say nothing on another machine.
func BaseModelName(dir string) string {
	if dir == "" {
		return ""
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	parts := strings.Split(filepath.ToSlash(dir), "/")
	for i, p := range parts[:len(parts)-1] {
		if id, ok := strings.CutPrefix(p, "models--"); ok && parts[i+1] == "snapshots" {
			return strings.ReplaceAll(id, "--", "/")
		}
	}
	return parts[len(parts)-1]
}

// written is the method as its file has it: with the kind of the model and the names of the modules that the settings
// choose, so that other programs find the same ones.
func (a *Adapter) written() Method {
	own := clone(a.Method)
	c := own.Settings()
	adaptsHead := slices.ContainsFunc(a.layers, func(l Layer) bool { return a.model.Head().Has(l.Path()) })
	if kind := a.model.Head().Kind; c.TaskType == "" && !(adaptsHead && headModules[taskTypes[kind]] != nil) { // PEFT would take the adapter off such a head
		c.TaskType = taskTypes[kind]
	}
	if c.BaseModel == "" {
		c.BaseModel = BaseModelName(a.model.Dir)
	}
	if c.TargetModules.Expr == AllLinear.Expr {
		c.TargetModules = Suffixes(allLinear(a.model, own)...)
	}
	if modules := a.savedModules(); modules != nil {
		c.ModulesToSave = modules
	}
	return own
}

// headModules are the modules that PEFT expects whole in the file of an adapter with a task_type, whatever modules_to_save is.
var headModules = map[string][]string{"SEQ_CLS": {"classifier", "score"}, "TOKEN_CLS": {"classifier", "score"}, "QUESTION_ANS": {"qa_outputs"}}

// storedHead lists the weights of the head that PEFT expects and that the adapter does not train, as tensors of the file.
func (a *Adapter) storedHead(taskType string) []StoredTensor {
	var all []StoredTensor
	a.model.Weights(func(w *model.Weight) {
		module, _, _ := cutLast(w.Name)
		if moduleToSave(module, headModules[taskType]) != "" && !a.Brings(w, 0) {
			all = append(all, StoredTensor{Name: prefix + w.Name, Shape: w.Shape, Pack: func() []float32 { return w.Values("") }})
		}
	})
	return all
}

// clone is a copy of a method.
func clone(m Method) Method {
	from := reflect.ValueOf(m)
	own := reflect.New(from.Type().Elem())
	own.Elem().Set(from.Elem())
	return own.Interface().(Method)
}

// allLinear are the ends of the paths of the linear layers that "all-linear" chooses for a method, in alphabetical order, each so long that no
// other module has it.
func allLinear(m *model.Model, method Method) []string {
	chosen := map[string]bool{}
	m.Linears(func(l *model.Linear) {
		if inAllLinear(m, method, l) {
			chosen[l.Path()] = true
		}
	})
	others := map[string]bool{}
	other := func(path string) {
		for end := range ends(path) {
			others[end] = others[end] || !chosen[path]
		}
	}
	for _, path := range (&resolver{m: m}).modules() {
		other(path)
	}
	for _, path := range []string{"pooler.dense", "bert.pooler.dense"} { // transformers' BERT has it where this one may have none
		other(path)
	}
	found := map[string]bool{}
	for path := range chosen {
		for end := range ends(path) {
			if !others[end] {
				found[end] = true
				break
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// ends are the ends of a path in whole components, the shortest first.
func ends(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(path) - 1; i >= 0; i-- {
			if path[i] == '.' && !yield(path[i+1:]) {
				return
			}
		}
		yield(path)
	}
}
